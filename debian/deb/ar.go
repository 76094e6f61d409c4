package deb

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// An arReader reads the members of an ar archive one after another.
type arReader struct {
	r       io.Reader
	left    int64 // unread bytes of the present member
	padding bool  // a byte follows a member of odd size
}

const arMagic = "!<arch>\n"

func newArReader(r io.Reader) (*arReader, error) {
	magic := make([]byte, len(arMagic))
	if _, err := io.ReadFull(r, magic); err != nil || string(magic) != arMagic {
		return nil, errors.New("it is not an ar archive")
	}
	return &arReader{r: r}, nil
}

// next advances to the next member. The error is io.EOF after the last.
func (a *arReader) next() (name string, err error) {
	if _, err := io.Copy(io.Discard, a); err != nil {
		return "", err
	}
	if a.padding {
		var one [1]byte
		if _, err := io.ReadFull(a.r, one[:]); err != nil && err != io.EOF {
			return "", err
		}
		a.padding = false
	}
	var head [60]byte
	if n, err := io.ReadFull(a.r, head[:]); n == 0 && err == io.EOF {
		return "", io.EOF
	} else if err != nil {
		return "", truncated(err)
	}
	if head[58] != '`' || head[59] != '\n' {
		return "", errors.New("a header of its ar archive is damaged")
	}
	size, err := strconv.ParseInt(string(bytes.TrimRight(head[48:58], " ")), 10, 64)
	if err != nil || size < 0 {
		return "", fmt.Errorf("a member of its ar archive has the size %q", head[48:58])
	}
	a.left, a.padding = size, size%2 == 1
	return string(bytes.TrimSuffix(bytes.TrimRight(head[:16], " "), []byte("/"))), nil
}

// Read reads the present member.
func (a *arReader) Read(p []byte) (int, error) {
	if a.left == 0 {
		return 0, io.EOF
	}
	n, err := a.r.Read(p[:min(int64(len(p)), a.left)])
	a.left -= int64(n)
	if err == io.EOF && a.left > 0 {
		err = errTruncated
	} else if err == io.EOF {
		err = nil
	}
	return n, err
}

var errTruncated = errors.New("it is truncated")

// truncated replaces an unexpected io.EOF by an error that says so.
func truncated(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errTruncated
	}
	return err
}
