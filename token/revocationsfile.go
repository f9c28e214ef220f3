package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"github.com/usherkit/usher/internal/atomicfile"
)

// revocationsFile is the state of RemoteRevocationsConfig.File. A separate goroutine writes
// the file, so that a slow disk delays no fetch.
type revocationsFile struct {
	due     chan struct{} // has an element if the file must be looked at
	behind  atomic.Bool   // a whole list was fetched since the file was looked at
	checked fs.FileInfo   // the file that was found to have the whole list
	log     outageLog
}

// readFile puts the sessions of RemoteRevocationsConfig.File on the list, if it can be
// used. It treats a file that cannot be used as missing, and logs a warning.
func (r *RemoteRevocations) readFile() {
	if r.cfg.File == "" {
		return
	}
	list, _, err := r.parseFile()
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		r.cfg.Logger.Warn("the file of revoked sessions cannot be used", "file", r.cfg.File, "error", err)
		return
	}
	for _, one := range list {
		r.list.Add(one.SessionID, time.Unix(one.Until, 0))
	}
	r.fetchedOnce.Do(func() { close(r.fetched) })
}

// parseFile reads twice MaxBytes at most: the file also has sessions that have just left
// the list of the issuer.
func (r *RemoteRevocations) parseFile() ([]listedRevocation, fs.FileInfo, error) {
	text, info, err := readOwnFile(r.cfg.File, 2*r.cfg.MaxBytes+4096)
	if err != nil {
		return nil, nil, err
	}
	list, err := parseRevocations(text)
	if err != nil {
		return nil, nil, err
	}
	var content revocationList
	if err := json.Unmarshal(text, &content); err != nil {
		return nil, nil, err
	}
	if content.URL != r.cfg.URL {
		return nil, nil, errors.New("its list is that of another URL")
	}
	return list, info, nil
}

// fileIsDue makes the goroutine of keepFile write or remove the file.
func (r *RemoteRevocations) fileIsDue() {
	select {
	case r.file.due <- struct{}{}:
	default:
	}
}

// keepFile starts the goroutine that updates the file. The returned function ends it, and
// waits for the last update.
func (r *RemoteRevocations) keepFile() (wait func()) {
	if r.cfg.File == "" {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range r.file.due {
			r.file.log.report(r.updateFile(), "the file of revoked sessions cannot be written")
		}
	}()
	return func() {
		close(r.file.due)
		<-done
	}
}

// updateFile adds every session of the list to the file, and keeps those of other processes.
// While the list is over MaxBytes, the program refuses every session. Then updateFile removes
// the file, because a restart with it would accept sessions again.
func (r *RemoteRevocations) updateFile() error {
	if r.tooLong.Load() {
		if err := os.Remove(r.cfg.File); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	behind := r.file.behind.Swap(false)
	if info, err := os.Stat(r.cfg.File); err == nil && !behind && r.file.isChecked(info) {
		return nil
	}
	content := NewRevocations()
	list, info, err := r.parseFile()
	missing := err != nil // a file that cannot be used is replaced
	for _, one := range list {
		content.Add(one.SessionID, time.Unix(one.Until, 0))
	}
	for id, until := range r.list.all() {
		missing = content.add(id, until) || missing
	}
	r.file.checked = info
	if !missing {
		return nil
	}
	// Another process may replace it at the same time, so the next fetch looks at it again.
	r.file.checked = nil
	content.Prune(r.cfg.Now().Add(-maxLeeway))
	return atomicfile.Write(r.cfg.File, bytes.NewReader(content.json(r.cfg.URL)))
}

func (f *revocationsFile) isChecked(info fs.FileInfo) bool {
	return f.checked != nil && os.SameFile(f.checked, info) && f.checked.ModTime().Equal(info.ModTime())
}
