package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"nix2gpu/console"
	"nix2gpu/control"
)

// Attach connects with the terminal of a service. The end of ctx, or a close of the
// connection, lets the service go on alone.
func (c *Client) Attach(ctx context.Context, req control.AttachRequest) (*console.Frames, io.Closer, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/v1/attach", bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", control.AttachProtocol)
	resp, err := c.send(r)
	if err != nil {
		return nil, nil, err
	}
	conn, ok := resp.Body.(io.ReadWriteCloser) // as net/http has it of what switches protocols
	if !ok {
		resp.Body.Close()
		return nil, nil, &control.Error{Code: control.CodeInternal, Msg: fmt.Sprintf("the supervisor answered %s", resp.Status)}
	}
	return console.NewFrames(conn), conn, nil
}
