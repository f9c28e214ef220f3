package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"time"

	"github.com/usherkit/usher/internal/atomicfile"
	"github.com/usherkit/usher/internal/strictjson"
)

// keysFile is the content of RemoteKeysConfig.File: a JWK Set with two more members.
type keysFile struct {
	Keys      json.RawMessage `json:"keys"`
	URL       string          `json:"url"`
	FetchedAt time.Time       `json:"fetchedAt"`
}

// readFile puts the keys of RemoteKeysConfig.File in place, if they can be used. A file
// that cannot be used is like none, with a warning.
func (r *RemoteKeys) readFile() {
	if r.cfg.File == "" {
		return
	}
	keys, fetchedAt, err := r.parseFile()
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		r.cfg.Logger.Warn("the file of the issuer's keys cannot be used", "file", r.cfg.File, "error", err)
		return
	}
	r.set.Store(newRemoteSet(keys, fetchedAt))
}

func (r *RemoteKeys) parseFile() ([]PublicKey, time.Time, error) {
	text, _, err := readOwnFile(r.cfg.File, r.cfg.MaxBytes+4096)
	if err != nil {
		return nil, time.Time{}, err
	}
	if _, err := strictjson.Parse(text); err != nil {
		return nil, time.Time{}, err
	}
	var content keysFile
	if err := json.Unmarshal(text, &content); err != nil {
		return nil, time.Time{}, err
	}
	age := r.cfg.Now().Sub(content.FetchedAt)
	switch {
	case content.URL != r.cfg.URL:
		return nil, time.Time{}, errors.New("its keys are those of another URL")
	case age < -maxLeeway:
		return nil, time.Time{}, errors.New("its time lies in the future")
	case age >= r.cfg.MaxStale:
		return nil, time.Time{}, fmt.Errorf("its keys are %s old, the limit is %s", age.Round(time.Minute), r.cfg.MaxStale)
	}
	keys, err := parseKeys(text, r.cfg.MaxKeys)
	return keys, content.FetchedAt, err
}

// readOwnFile reads at most limit bytes of a file, which only the user of this program and
// root may have written.
func readOwnFile(path string, limit int64) ([]byte, fs.FileInfo, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if mode := info.Mode(); !mode.IsRegular() || runtime.GOOS != "windows" && mode.Perm()&0o022 != 0 {
		return nil, nil, fmt.Errorf("it must be a regular file that only its owner can write, and its mode is %s", mode)
	}
	if !isOwn(info) {
		return nil, nil, errors.New("another user owns it")
	}
	text, err := io.ReadAll(io.LimitReader(f, limit))
	return text, info, err
}

// fetchedSet is a JWK Set for RemoteKeysConfig.File.
type fetchedSet struct {
	json []byte
	at   time.Time
}

// writeLater makes the goroutine of keepFile write the set. If an earlier set is still waiting to
// be written, it is dropped. One goroutine at a time may call writeLater.
func (r *RemoteKeys) writeLater(set fetchedSet) {
	select {
	case <-r.toWrite:
	default:
	}
	r.toWrite <- set
}

// keepFile starts the goroutine that writes the file, so that a slow disk delays no fetch. It
// ends after Close, with the last set written.
func (r *RemoteKeys) keepFile() {
	go func() {
		defer close(r.filed)
		for {
			select {
			case set := <-r.toWrite:
				r.writeFile(set)
				continue
			case <-r.ctx.Done():
			}
			select {
			case set := <-r.toWrite:
				r.writeFile(set)
			default:
			}
			return
		}
	}()
}

// writeFile replaces RemoteKeysConfig.File by a JWK Set.
func (r *RemoteKeys) writeFile(set fetchedSet) {
	if r.cfg.File == "" {
		return
	}
	var content keysFile
	err := json.Unmarshal(set.json, &content)
	content.URL, content.FetchedAt = r.cfg.URL, set.at.UTC()
	text, err2 := json.Marshal(content)
	if err = errors.Join(err, err2); err == nil {
		err = atomicfile.Write(r.cfg.File, bytes.NewReader(text))
	}
	r.fileLog.report(err, "the file of the issuer's keys cannot be written")
}
