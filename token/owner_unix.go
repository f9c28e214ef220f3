//go:build unix

package token

import (
	"io/fs"
	"os"
	"syscall"
)

// isOwn reports whether this program's user or root owns the file.
func isOwn(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (stat.Uid == 0 || int64(stat.Uid) == int64(os.Geteuid()))
}

// openFile opens a file for reading. Unlike os.Open it does not wait for the other end of a
// pipe.
func openFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}
