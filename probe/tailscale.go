package probe

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// tailscale asks tailscaled, which is ready as soon as it answers, because only then
// can it be told to join the tailnet. Once it has joined, it is ready while it is in
// the tailnet.
type tailscale struct{ joined bool }

func (t *tailscale) ask(rw io.ReadWriter) error {
	state, err := TailscaleState(rw)
	if err != nil {
		return err
	}
	if t.joined && state != TailscaleRunning {
		return fmt.Errorf("it is no longer in the tailnet: %s", state)
	}
	t.joined = state == TailscaleRunning
	return nil
}

// TailscaleRunning is the state of a tailscaled that is in its tailnet.
const TailscaleRunning = "Running"

// TailscaleState asks the local API of tailscaled, through its socket, for its state:
// "NeedsLogin", "Starting", "Running" and so on.
func TailscaleState(rw io.ReadWriter) (string, error) {
	const maxStatus = 1 << 20
	if _, err := io.WriteString(rw, "GET /localapi/v0/status?peers=false HTTP/1.1\r\nHost: local-tailscaled.sock\r\nConnection: close\r\n\r\n"); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(io.LimitReader(rw, maxStatus)), nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("tailscaled answers %s", resp.Status)
	}
	var status struct{ BackendState string }
	if err := json.NewDecoder(resp.Body).Decode(&status); err != nil {
		return "", errors.New("tailscaled answers with no status")
	}
	if status.BackendState == "" || status.BackendState == "NoState" {
		return "", errors.New("tailscaled is starting")
	}
	return status.BackendState, nil
}
