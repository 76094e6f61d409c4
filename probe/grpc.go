package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"nix2gpu/project"
)

// grpcCheck calls grpc.health.v1.Health/Check, without TLS. The two messages are
// small enough to encode by hand, and net/http speaks HTTP/2, so that no gRPC
// library is needed.
type grpcCheck struct {
	addr    string
	service string
	client  *http.Client
}

func newGRPCCheck(c *project.GRPCCheck) (*grpcCheck, error) {
	addr, err := address(c.Host, c.Port)
	if err != nil {
		return nil, err
	}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &grpcCheck{addr, c.Service, &http.Client{
		Transport: &http.Transport{
			Protocols:         protocols,
			DisableKeepAlives: true,
			DialContext:       new(net.Dialer).DialContext,
		},
	}}, nil
}

func (c *grpcCheck) Check(ctx context.Context) error {
	// HealthCheckRequest { string service = 1; }, after a flag and its length.
	var message []byte
	if c.service != "" {
		message = append(message, 1<<3|2)
		message = binary.AppendUvarint(message, uint64(len(c.service)))
		message = append(message, c.service...)
	}
	body := append([]byte{0}, binary.BigEndian.AppendUint32(nil, uint32(len(message)))...)
	body = append(body, message...)
	target := "http://" + c.addr + "/grpc.health.v1.Health/Check"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	req.Header.Set("User-Agent", "nix2gpu-probe")
	res, err := c.client.Do(req)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			return dialError(c.addr, err)
		}
		return fmt.Errorf("%s does not speak gRPC: %w", c.addr, err)
	}
	defer res.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(res.Body, tailSize))
	if err != nil {
		return fmt.Errorf("%s: %w", c.addr, err)
	}
	// The status is in the trailers, or in the header if the call failed at once.
	status, why := res.Trailer.Get("Grpc-Status"), res.Trailer.Get("Grpc-Message")
	if status == "" {
		status, why = res.Header.Get("Grpc-Status"), res.Header.Get("Grpc-Message")
	}
	switch status {
	case "0":
		return servingStatus(reply)
	case "":
		return fmt.Errorf("%s does not speak gRPC: status %d", c.addr, res.StatusCode)
	case "5":
		return fmt.Errorf("service %q is unknown", c.service)
	case "12":
		return errors.New("the server has no health service (grpc.health.v1)")
	}
	return fmt.Errorf("gRPC status %s: %s", status, why)
}

// servingStatus reads HealthCheckResponse { ServingStatus status = 1; }.
func servingStatus(reply []byte) error {
	const serving = 1
	if len(reply) < 5 {
		return errors.New("the health service's answer is empty")
	}
	message := reply[5:]
	for len(message) > 0 {
		key, n := binary.Uvarint(message)
		if n <= 0 || key&7 != 0 { // the one field that we know is a varint
			break
		}
		message = message[n:]
		value, n := binary.Uvarint(message)
		if n <= 0 {
			break
		}
		message = message[n:]
		if key>>3 == 1 {
			names := map[uint64]string{0: "UNKNOWN", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
			if value == serving {
				return nil
			}
			return fmt.Errorf("health status is %s", names[value])
		}
	}
	return errors.New("health status is UNKNOWN")
}
