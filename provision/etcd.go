package provision

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

type etcdOptions struct{ data string }

func (o *etcdOptions) flags() *flag.FlagSet {
	flags := flag.NewFlagSet("etcd init", flag.ContinueOnError)
	flags.StringVar(&o.data, "data", "", "the data folder")
	return flags
}

// initEtcd lets a member begin anew whose first start was killed before it had written
// anything. etcd takes the write-ahead log that is there for that of a member that has
// joined its cluster; as it names no members, it waits for a leader for ever.
func initEtcd(o etcdOptions) error {
	member := filepath.Join(o.data, "member")
	logs, err := filepath.Glob(filepath.Join(member, "wal", "*.wal"))
	if err != nil || len(logs) != 1 {
		return err
	}
	snapshots, err := filepath.Glob(filepath.Join(member, "snap", "*.snap"))
	if err != nil || len(snapshots) > 0 {
		return err
	}
	begun, err := etcdBegun(logs[0])
	if err == nil && !begun {
		err = os.RemoveAll(member)
	}
	if err != nil {
		return fmt.Errorf("etcd: cannot clear what a killed start has left: %w", err)
	}
	return nil
}

// etcdBegun reports whether a write-ahead log has anything but its head. The form is that
// of etcd's package wal: records, each behind its length in the lower 56 bits of a
// little-endian word, whose upper bits tell its padding; zeros follow the last. A record is a
// message of protobuf, whose first field is its type. What is not understood has begun.
func etcdBegun(file string) (bool, error) {
	const (
		typeField = 1 << 3 // of the number 1, a varint
		metadata  = 1
		checksum  = 4
		snapshot  = 5
		head      = 4 << 10 // far more than the head of a log has
	)
	f, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer f.Close()
	data := make([]byte, head)
	n, err := io.ReadFull(f, data)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, err
	}
	last := byte(0) // the type of the last record
	for data = data[:n]; len(data) >= 8; {
		word := binary.LittleEndian.Uint64(data)
		if data = data[8:]; word == 0 {
			return last != snapshot, nil // of nothing, which ends the head
		}
		size := word & (1<<56 - 1)
		if word>>63 != 0 {
			size += word >> 56 & 7
		}
		if size < 2 || size > uint64(len(data)) || data[0] != typeField || data[1] != metadata && data[1] != checksum && data[1] != snapshot {
			return true, nil
		}
		last, data = data[1], data[size:]
	}
	return true, nil
}
