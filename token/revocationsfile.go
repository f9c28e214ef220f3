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
	own     bool          // the file has had the list of RemoteRevocationsConfig.URL
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

var errOtherURL = errors.New("its list is that of another URL")

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
		return nil, nil, errOtherURL
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

// filePause is how many times longer than the last write the pause after it is. So a list of
// MaxBytes that changes all the time occupies a tenth of a processor or of a disk.
const filePause = 9

// keepFile starts the goroutine that updates the file. The returned function ends it, and
// waits for the last update.
func (r *RemoteRevocations) keepFile() (wait func()) {
	if r.cfg.File == "" {
		return func() {}
	}
	closing, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for range r.file.due {
			started := time.Now()
			r.file.log.report(r.updateFile(), "the file of revoked sessions cannot be written")
			select {
			case <-time.After(filePause * time.Since(started)):
			case <-closing:
			}
		}
	}()
	return func() {
		close(closing)
		close(r.file.due)
		<-done
	}
}

// updateFile adds every session of the list to the file, and keeps those of other processes.
// If processes have different URLs, the last one that started has the file. Otherwise they
// would replace it in turn.
//
// While the list is over MaxBytes, the program refuses every session. Then updateFile removes
// the file, because a restart with it would accept sessions again. After a restart, a file
// of another URL is not used, so updateFile does not remove it.
func (r *RemoteRevocations) updateFile() error {
	if r.tooLong.Load() {
		if _, _, err := r.parseFile(); errors.Is(err, errOtherURL) {
			return nil
		}
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
	if r.file.own && errors.Is(err, errOtherURL) {
		return err // another process, with another issuer, has the same File
	}
	missing := err != nil // a file that cannot be used is replaced
	for _, one := range list {
		content.Add(one.SessionID, time.Unix(one.Until, 0))
	}
	for id, until := range r.list.all() {
		missing = content.add(id, until) || missing
	}
	r.file.checked = info
	if !missing {
		r.file.own = true
		return nil
	}
	// Another process may replace it at the same time, so the next fetch looks at it again.
	r.file.checked = nil
	content.Prune(r.cfg.Now().Add(-maxLeeway))
	err = atomicfile.Write(r.cfg.File, bytes.NewReader(content.json(r.cfg.URL)))
	r.file.own = r.file.own || err == nil
	return err
}

func (f *revocationsFile) isChecked(info fs.FileInfo) bool {
	return f.checked != nil && os.SameFile(f.checked, info) && f.checked.ModTime().Equal(info.ModTime())
}
