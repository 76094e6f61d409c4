package control

// An AttachRequest asks for the terminal of a running service. It is answered with
// "101 Switching Protocols", and then by console.Frames in both directions.
type AttachRequest struct {
	Service string `json:"service"` // an id, a label, an instance or a type
	// Rows and Cols are the size of the terminal that asks; 0: it has none.
	Rows uint16 `json:"rows,omitempty"`
	Cols uint16 `json:"cols,omitempty"`
}

// AttachProtocol is what the connection becomes.
const AttachProtocol = "nix2gpu-attach"
