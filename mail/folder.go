package mail

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/atomicfile"
)

// Folder is an [usher.Mailer] that writes each email to a file, for development
// and tests. [Dir] returns one with defaults. It is safe for concurrent use; do
// not change its fields after the first Send.
//
// A file is named after the time of the message in UTC, its kind and a short id,
// such as 20261123T183501Z-reset_password-5mh2gqkzvw3bq7ad.eml. So the names sort
// by time, and contain no address and no secret. A message that is sent again
// replaces its file. A file is never visible before it is complete.
type Folder struct {
	// Path is the folder. It is created if it does not exist, with mode 0700; the
	// files have mode 0600, because they contain links. Required.
	Path string
	// Composer renders the emails. An error in it is returned by Send, and earlier by
	// [Composer.Check]. Defaults to the zero Composer.
	Composer Composer
	// InsecurePrintLinks receives one line for each email, with its kind, its address
	// and its link. Everyone who can read the line can take over the account: use it
	// only on a developer's machine. Defaults to nil, which prints nothing.
	InsecurePrintLinks io.Writer

	printing sync.Mutex
}

var _ usher.Mailer = (*Folder)(nil)

// Dir returns a Folder that writes to path, with defaults.
func Dir(path string) *Folder { return &Folder{Path: path} }

// Send writes the file. The error is a [*MessageError] or one of package os.
func (f *Folder) Send(ctx context.Context, m usher.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	msg, err := f.Composer.mimeMessage(m, true)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.Path, 0o700); err != nil {
		return fmt.Errorf("mail: folder: %w", err)
	}
	name := fmt.Sprintf("%s-%s-%s.eml", m.At.UTC().Format("20060102T150405Z"), m.Kind, shortID(m.ID))
	if err := atomicfile.Write(filepath.Join(f.Path, name), msg); err != nil {
		return fmt.Errorf("mail: folder: %w", err)
	}
	if f.InsecurePrintLinks == nil {
		return nil
	}
	line := fmt.Sprintf("mail: %s to %s", m.Kind, m.To)
	if kinds[m.Kind] {
		line += ": " + m.Link.Reveal()
	}
	f.printing.Lock()
	defer f.printing.Unlock()
	// The email is delivered, even if the line cannot be printed.
	_, _ = fmt.Fprintln(f.InsecurePrintLinks, line)
	return nil
}
