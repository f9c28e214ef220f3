package route

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
)

// MaxBody is the maximum size of a body in bytes.
const MaxBody = 16 << 10

// ReadBody returns the body of a request, of at most MaxBody bytes.
func ReadBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	return ReadBodyOf(w, r, MaxBody)
}

// ReadBodyOf is ReadBody for a route whose bodies may have another size.
func ReadBodyOf(w http.ResponseWriter, r *http.Request, size int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, size))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, errTooLarge
	case err != nil:
		return nil, BadBody("The body could not be read.")
	}
	return body, nil
}

// readAhead waits for the body of a request, up to the first byte after MaxBody, and returns
// the whole body.
func readAhead(r *http.Request) io.ReadCloser {
	if r.Body == nil || r.Body == http.NoBody {
		return r.Body
	}
	begin, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	rest := io.Reader(r.Body)
	if err != nil {
		rest = failedReader{err}
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(begin), rest), r.Body}
}

// failedReader is the rest of a body that could not be read.
type failedReader struct{ err error }

func (f failedReader) Read([]byte) (int, error) { return 0, f.err }

// IsJSON reports whether the headers announce JSON in UTF-8 (RFC 8259), not compressed. The
// charset may be spelled "utf8". No form can send that, so a page of another site cannot
// send it without a preflight.
func IsJSON(h http.Header) bool {
	encoding := h["Content-Encoding"]
	plain := len(encoding) == 0 || len(encoding) == 1 && strings.EqualFold(encoding[0], "identity")
	if len(h["Content-Type"]) != 1 || !plain {
		return false
	}
	mediaType, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return false
	}
	charset, given := params["charset"]
	return !given || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8")
}

// IsForm reports whether the request is a form of a page, as browsers send it.
func IsForm(r *http.Request) bool {
	if r.Method != http.MethodPost || len(r.Header["Content-Type"]) != 1 {
		return false
	}
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && mediaType == "application/x-www-form-urlencoded"
}
