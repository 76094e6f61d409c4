package catalog

// goodRequestID is what a web server takes over from a client's X-Request-ID: what can
// stand in a log as one word. It is the same in the three languages that it is used in.
const goodRequestID = `^[A-Za-z0-9._:/+=@-]{1,128}$`

// requestIDDoc is what the option requestId.enable of each web server does.
const requestIDDoc = "Give each request an X-Request-ID, unless its client has sent one that is at most 128 letters, digits and ._:/+=@-. " +
	"Servers that requests are passed on to get it, the answer has it, and requests are logged with it."
