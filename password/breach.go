package password

import (
	"bufio"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// breachTimeout is how long a Policy waits for its BreachChecker.
const breachTimeout = time.Second

// BreachChecker looks a new password up among leaked ones (OWASP ASVS 5.0
// 6.2.12). Implementations are safe for concurrent use.
type BreachChecker interface {
	// Breached says whether the password with this SHA-1 digest is known to
	// have leaked. The digest must not leave the machine: five hex digits of
	// it may. It returns when ctx ends; an error means that nothing is known.
	Breached(ctx context.Context, digest [sha1.Size]byte) (bool, error)
}

// BreachError is what Policy.OnBreachError gets: the look-up failed, and the
// password was judged without it.
type BreachError struct {
	// Err is the checker's error.
	Err error
}

// Error names the failure; the password and its digest are not in it.
func (e *BreachError) Error() string {
	return fmt.Sprintf("password: the look-up of leaked passwords failed, the local list alone decided: %v", e.Err)
}

// Unwrap is the checker's error.
func (e *BreachError) Unwrap() error { return e.Err }

func logBreachError(err error) { slog.Default().Warn(err.Error()) }

// breached asks the checker and fails open, loudly. Its own error is only that
// the caller has gone.
func (p Policy) breached(ctx context.Context, pw string) (bool, error) {
	limited, cancel := context.WithTimeout(ctx, breachTimeout)
	defer cancel()
	leaked, err := p.Breached.Breached(limited, sha1.Sum([]byte(pw)))
	if err == nil {
		return leaked, nil
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	p.OnBreachError(&BreachError{err})
	return false, nil
}

// RangeClient is a BreachChecker that asks a server by range, the protocol of
// Pwned Passwords: it sends GET {URL}/range/ and the first five hex digits of
// the SHA-1, and looks for the rest in the answer. It asks for padding, so
// that the size of the answer does not tell the range to who listens.
type RangeClient struct {
	// URL of the server, without /range. https, unless the host is loopback.
	// Required.
	URL string
	// Client makes the request. Defaults to a client of its own that follows
	// no redirects.
	Client *http.Client
	// Timeout of one look-up. Defaults to 1 second, which is also the most
	// that a Policy waits.
	Timeout time.Duration
}

// maxRangeAnswer is many times what a padded answer has.
const maxRangeAnswer = 1 << 20

var rangeHTTP = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("redirects are not followed")
	},
}

// Breached implements BreachChecker.
func (c *RangeClient) Breached(ctx context.Context, digest [sha1.Size]byte) (bool, error) {
	timeout, client := c.Timeout, c.Client
	if timeout <= 0 {
		timeout = breachTimeout
	}
	if client == nil {
		client = rangeHTTP
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	digits := fmt.Sprintf("%X", digest)
	prefix, suffix := digits[:5], digits[5:]
	base, err := c.base()
	if err != nil {
		return false, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath("range", prefix).String(), nil)
	if err != nil {
		return false, fmt.Errorf("password: RangeClient: %w", err)
	}
	req.Header.Set("Add-Padding", "true")
	resp, err := client.Do(req)
	if err != nil {
		return false, fmt.Errorf("password: RangeClient: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return false, fmt.Errorf("password: RangeClient: status %d", resp.StatusCode)
	}
	return findSuffix(resp.Body, suffix)
}

func (c *RangeClient) base() (*url.URL, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, errors.New("password: RangeClient: URL is not a URL")
	}
	switch host := u.Hostname(); {
	case u.Scheme == "https" && host != "":
	case u.Scheme == "http" && (host == "localhost" || host == "127.0.0.1" || host == "::1"):
	default:
		return nil, errors.New("password: RangeClient: URL is not https")
	}
	return u, nil
}

// findSuffix reads lines of SUFFIX:COUNT. Padding has the count 0.
func findSuffix(r io.Reader, suffix string) (bool, error) {
	limited := &io.LimitedReader{R: r, N: maxRangeAnswer}
	lines := bufio.NewScanner(limited)
	for lines.Scan() {
		found, count, ok := strings.Cut(strings.TrimSpace(lines.Text()), ":")
		if !ok || !strings.EqualFold(found, suffix) {
			continue
		}
		n, err := strconv.ParseUint(count, 10, 64)
		if err != nil {
			return false, errors.New("password: RangeClient: the answer has a count that is no number")
		}
		return n > 0, nil
	}
	if err := lines.Err(); err != nil {
		return false, fmt.Errorf("password: RangeClient: %w", err)
	}
	if limited.N == 0 {
		return false, fmt.Errorf("password: RangeClient: the answer has more than %d bytes", maxRangeAnswer)
	}
	return false, nil
}
