// Package atomicfile writes files that are complete at any time.
package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// Write replaces the file at path by one of mode 0600, so that a reader finds the old
// content or the new one, also after a crash. The temporary file beside it is named
// .new-*.
func Write(path string, content io.WriterTo) error {
	temp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // sets mode 0600
	if err != nil {
		return err
	}
	_, err = content.WriteTo(temp)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}
