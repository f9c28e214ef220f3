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
	"sync/atomic"
	"time"
)

// breachTimeout is how long [Policy.Check] and [Policy.CheckBreached] wait for the
// BreachChecker.
const breachTimeout = time.Second

// BreachChecker looks up passwords in a list of leaked ones (OWASP ASVS 5.0
// 6.2.12). Implementations must be safe for concurrent use. [RangeClient] is one.
type BreachChecker interface {
	// Breached reports whether the password with this SHA-1 digest is known to
	// have leaked. It must not send more than the first five hex digits of the
	// digest to another host, and must return when ctx ends. An error means
	// that the list could not be checked.
	Breached(ctx context.Context, digest [sha1.Size]byte) (bool, error)
}

// BreachError means that the look-up of a leaked password failed. It is passed to
// Policy.OnBreachError if the password was checked without it.
type BreachError struct {
	// Err is the error of the BreachChecker.
	Err error
}

// Error includes neither the password nor its digest.
func (e *BreachError) Error() string {
	return fmt.Sprintf("password: look-up of leaked passwords failed, only the built-in list was checked: %v", e.Err)
}

// Unwrap returns the error of the BreachChecker.
func (e *BreachError) Unwrap() error { return e.Err }

func logBreachError(err error) { slog.Default().Warn(err.Error()) }

// CheckBreached reports whether pw, which need not be a new password, is in the list of
// leaked passwords. It waits at most one second. Without Breached it returns false.
//
// Errors: a [*BreachError] if the list could not be queried; [ErrNotUTF8] or [ErrTooLong];
// the error of ctx.
func (p Policy) CheckBreached(ctx context.Context, pw string) (bool, error) {
	if p.Breached == nil {
		return false, nil
	}
	pw, err := Normalize(pw)
	if err != nil {
		return false, err
	}
	limited, cancel := context.WithTimeout(ctx, breachTimeout)
	defer cancel()
	leaked, err := p.Breached.Breached(limited, sha1.Sum([]byte(pw)))
	switch {
	case err == nil:
		return leaked, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	}
	return false, &BreachError{err}
}

// RangeClient is a [BreachChecker] for servers with the range protocol of Pwned
// Passwords. It sends GET {URL}/range/ followed by the first five hex digits of
// the SHA-1 digest, and searches the answer for the others. It requests padded
// answers, so that their size does not reveal the range to an eavesdropper.
type RangeClient struct {
	// URL is the address of the server, without /range. It must be https, unless
	// the host is loopback. Required.
	URL string
	// Client makes the requests. Defaults to a client that follows no redirects.
	Client *http.Client
	// Timeout limits one look-up. Defaults to 1 second, which is also the longest
	// time that a Policy waits.
	Timeout time.Duration

	failed atomic.Bool // the last look-up
}

// maxRangeAnswer is many times the size of a padded answer, in bytes.
const maxRangeAnswer = 1 << 20

var rangeHTTP = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("redirects are not followed")
	},
}

// Breached implements [BreachChecker]. After a look-up that failed, the next one closes the idle
// connections of Client: one of them may have died without an error, and HTTP/2 would use it
// for many further look-ups.
func (c *RangeClient) Breached(ctx context.Context, digest [sha1.Size]byte) (leaked bool, err error) {
	defer func() {
		if err != nil {
			c.failed.Store(true)
		}
	}()
	timeout, client := c.Timeout, c.Client
	if timeout <= 0 {
		timeout = breachTimeout
	}
	if client == nil {
		client = rangeHTTP
	}
	if c.failed.Swap(false) {
		client.CloseIdleConnections()
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
		// The URL in a *url.Error has five digits of the digest.
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err
		}
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
		return nil, errors.New("password: RangeClient.URL: cannot be parsed")
	}
	switch host := u.Hostname(); {
	case u.Scheme == "https" && host != "":
	case u.Scheme == "http" && (host == "localhost" || host == "127.0.0.1" || host == "::1"):
	default:
		return nil, errors.New("password: RangeClient.URL: must be https, or http on a loopback host")
	}
	return u, nil
}

// findSuffix searches lines of the form SUFFIX:COUNT. Padding has the count 0.
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
			return false, errors.New("password: RangeClient: the answer has a malformed count")
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
