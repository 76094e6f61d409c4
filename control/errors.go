package control

import (
	"errors"
	"net/http"
)

// A Code names a kind of failure. Clients read it in JSON, so a code never changes.
type Code string

// The codes; [Kinds] says what each means.
const (
	CodeInvalid      Code = "invalid"
	CodeNotRunning   Code = "not_running"
	CodeNotFound     Code = "not_found"
	CodeUnauthorized Code = "unauthorized"
	CodeForbidden    Code = "forbidden"
	CodeMediaType    Code = "media_type"
	CodeConflict     Code = "conflict"
	CodeBusy         Code = "busy"
	CodeTimeout      Code = "timeout"
	CodeFailed       Code = "failed"
	CodeNoCommand    Code = "no_command"
	CodeNotProgram   Code = "not_executable"
	CodeInternal     Code = "internal"
)

// A Kind is what a code means in HTTP, to a shell and to a person.
type Kind struct {
	Code Code
	HTTP int    // status of a response that carries it
	Exit int    // exit code of a command that ends with it
	Doc  string // the first sentence of its reference
}

// Kinds is the only table from error codes to HTTP statuses and exit codes.
func Kinds() []Kind {
	return []Kind{
		{CodeInvalid, http.StatusBadRequest, 2, "The request or the definition is wrong."},
		{CodeNotRunning, http.StatusServiceUnavailable, 3, "Nothing is running that could answer."},
		{CodeNotFound, http.StatusNotFound, 4, "There is no such service."},
		{CodeUnauthorized, http.StatusUnauthorized, 1, "Over TCP: the token is missing or wrong."},
		{CodeForbidden, http.StatusForbidden, 1, "The asking user may not do that."},
		{CodeMediaType, http.StatusUnsupportedMediaType, 2, "Over TCP: the body is not JSON, by its header."},
		{CodeConflict, http.StatusConflict, 1, "The service is in a state that does not allow it."},
		{CodeBusy, http.StatusTooManyRequests, 1, "Too much is being asked at once; try again."},
		{CodeTimeout, http.StatusGatewayTimeout, 124, "It did not happen in time."},
		{CodeFailed, http.StatusUnprocessableEntity, 1, "It was tried and failed."},
		{CodeNoCommand, http.StatusUnprocessableEntity, 127, "There is no such command."},
		{CodeNotProgram, http.StatusUnprocessableEntity, 126, "The command cannot be executed."},
		{CodeInternal, http.StatusInternalServerError, 1, "The supervisor itself has a defect."},
	}
}

// The errors to compare with by errors.Is. An Error matches the one of its code.
var (
	ErrInvalid    = &Error{Code: CodeInvalid, Msg: "invalid request"}
	ErrNotRunning = &Error{Code: CodeNotRunning, Msg: "nothing is running", Hint: "start it with \"nix2gpu up\""}
	ErrNotFound   = &Error{Code: CodeNotFound, Msg: "no such service", Hint: "\"nix2gpu ps\" has the names"}
	ErrForbidden  = &Error{Code: CodeForbidden, Msg: "not allowed"}
	ErrConflict   = &Error{Code: CodeConflict, Msg: "not possible in this state"}
	ErrBusy       = &Error{Code: CodeBusy, Msg: "too many requests"}
	ErrTimeout    = &Error{Code: CodeTimeout, Msg: "timed out"}
	ErrFailed     = &Error{Code: CodeFailed, Msg: "failed"}
)

// Error is a failure as it is sent over the socket.
type Error struct {
	Code Code   `json:"code"`
	Msg  string `json:"error"`
	Hint string `json:"hint,omitempty"` // what to do about it
}

// Error returns the message without code and hint.
func (e *Error) Error() string { return e.Msg }

// Is reports whether target is an Error of the same code, so that
// errors.Is(err, ErrNotFound) holds for every missing service.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// KindOf returns the Kind of the code that err wraps. If it wraps none, ok is false
// and kind is that of CodeInternal.
func KindOf(err error) (kind Kind, ok bool) {
	code := CodeInternal
	var e *Error
	if errors.As(err, &e) {
		code, ok = e.Code, true
	}
	for _, k := range Kinds() {
		if k.Code == code {
			return k, ok
		}
	}
	return Kind{Code: CodeInternal, HTTP: http.StatusInternalServerError, Exit: 1}, false
}
