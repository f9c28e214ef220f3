package descope

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/usherkit/usher"
)

const (
	week = 7 * 24 * time.Hour
	// maxWeeks is less than a time.Duration can hold.
	maxWeeks = 15_000
)

// settingsJSON are the rules for passwords in Descope's form.
type settingsJSON struct {
	Enabled         bool  `json:"enabled"`
	MinLength       int32 `json:"minLength"`
	Lowercase       bool  `json:"lowercase"`
	Uppercase       bool  `json:"uppercase"`
	Number          bool  `json:"number"`
	NonAlphanumeric bool  `json:"nonAlphanumeric"`
	Expiration      bool  `json:"expiration"`
	ExpirationWeeks int32 `json:"expirationWeeks"`
	Reuse           bool  `json:"reuse"`
	ReuseAmount     int32 `json:"reuseAmount"`
	Lock            bool  `json:"lock"`
	LockAttempts    int32 `json:"lockAttempts"`
}

func newSettingsJSON(p usher.PasswordSettings) settingsJSON {
	int32 := func(n int) int32 { return int32(clamp(int64(n))) }
	return settingsJSON{
		Enabled: true, MinLength: int32(p.MinLength), Lowercase: p.Lowercase, Uppercase: p.Uppercase, Number: p.Number, NonAlphanumeric: p.NonAlphanumeric,
		Expiration: p.Expiration > 0, ExpirationWeeks: weeks(p.Expiration), Reuse: p.ReuseAmount > 0, ReuseAmount: int32(p.ReuseAmount),
		Lock: true, LockAttempts: int32(p.LockAttempts),
	}
}

// weeks returns a time in weeks, rounded up, so that no password seems to expire later than
// it does.
func weeks(d time.Duration) int32 { return int32(clamp(int64((d + week - 1) / week))) }

// passwordSettings answers GET /v1/mgmt/password/settings, with the members that are not
// ours as they were set.
func (h *Handler) passwordSettings(c *call) (any, error) {
	if c.r.URL.Query().Get("tenantId") != "" {
		c.in.addError("tenantId", "invalid", "is not served: the rules are those of all users")
		return nil, c.in.err()
	}
	p, err := c.operator.PasswordSettings(c.r.Context())
	if err != nil {
		return nil, err
	}
	known, err := json.Marshal(newSettingsJSON(p))
	if err != nil {
		return nil, err
	}
	answer := map[string]json.RawMessage{}
	for _, text := range [][]byte{p.Extra, known} { // a program may have set an Extra of another form
		_ = json.Unmarshal(text, &answer)
	}
	return answer, nil
}

// setPasswordSettings answers POST /v1/mgmt/password/settings. All rules are replaced: one
// that is absent becomes its default. The floors of the Service hold, so lock false means
// the most attempts that it allows, and passwords cannot be switched off.
func (h *Handler) setPasswordSettings(c *call) (any, error) {
	c.in.notServed("tenantId")
	if raw := c.in.get("enabled"); raw != nil && !c.in.flag("enabled") {
		c.in.addError("enabled", "invalid", "must be true: passwords cannot be switched off")
	}
	given := usher.PasswordSettings{
		MinLength: c.in.number("minLength"), Lowercase: c.in.flag("lowercase"), Uppercase: c.in.flag("uppercase"),
		Number: c.in.flag("number"), NonAlphanumeric: c.in.flag("nonAlphanumeric"),
	}
	if expires := c.in.number("expirationWeeks"); c.in.flag("expiration") {
		if given.Expiration = time.Duration(expires) * week; expires < 1 || expires > maxWeeks {
			c.in.addError("expirationWeeks", "invalid", "must be between 1 and 15,000")
		}
	}
	if amount := c.in.number("reuseAmount"); c.in.flag("reuse") {
		if given.ReuseAmount = amount; amount < 1 {
			c.in.addError("reuseAmount", "invalid", "must be at least 1")
		}
	}
	if attempts := c.in.number("lockAttempts"); c.in.flag("lock") {
		given.LockAttempts = attempts
	}
	if err := c.in.err(); err != nil {
		return nil, err
	}
	given.Extra = unknownSettings(c.in)
	for try := 1; ; try++ {
		current, err := c.operator.PasswordSettings(c.r.Context())
		if err != nil {
			return nil, err
		}
		next := given
		next.Version = current.Version
		if next.Expiration > 0 && weeks(current.Expiration) == weeks(next.Expiration) {
			next.Expiration = current.Expiration // which may be 90 days, so no whole number of weeks
		}
		_, err = c.operator.SetPasswordSettings(c.r.Context(), next)
		if !errors.Is(err, usher.ErrConflict) || try == 3 {
			return nil, err
		}
	}
}

// unknownSettings returns the members that are not ours, as an object, or nil.
func unknownSettings(o object) json.RawMessage {
	extra := map[string]json.RawMessage{}
	for _, m := range o.members {
		if !slices.Contains(settingNames, strings.ToLower(m.Name)) {
			extra[m.Name] = m.Value
		}
	}
	if len(extra) == 0 {
		return nil
	}
	text, _ := json.Marshal(extra) // of valid JSON
	return text
}

// settingNames are the names of our members in lower case.
var settingNames = func() []string {
	names := []string{"tenantid"}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[settingsJSON]()) {
		names = append(names, strings.ToLower(f.Name))
	}
	return names
}()
