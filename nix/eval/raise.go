package eval

import "nix2gpu/nix/syntax"

// RaiseAs ends the evaluation with an error of Go at pos, of a kind that the
// caller chooses: one of KindThrow can be caught with tryEval.
func (t *Thread) RaiseAs(kind ErrorKind, pos syntax.Pos, msg string, cause error) {
	t.raise(&Error{Pos: pos, Msg: msg, Kind: kind, cause: cause})
}
