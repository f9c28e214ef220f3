package descope

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/usherkit/usher"
)

// importAnswer is the answer to an import.
type importAnswer struct {
	Users    []userJSON      `json:"users"`
	Failures []importFailure `json:"failures"`
}

type importFailure struct {
	User   string `json:"user"`
	Reason string `json:"reason"`
}

// auth0User has the members of a user in the files of Auth0: the export of users, and the
// one of password hashes. Both are JSON lines.
type auth0User struct {
	Email         string         `json:"email"`
	EmailVerified bool           `json:"email_verified"`
	Username      string         `json:"username"`
	PhoneNumber   string         `json:"phone_number"`
	Name          string         `json:"name"`
	GivenName     string         `json:"given_name"`
	FamilyName    string         `json:"family_name"`
	Picture       string         `json:"picture"`
	Blocked       bool           `json:"blocked"`
	CreatedAt     time.Time      `json:"created_at"`
	UserMetadata  map[string]any `json:"user_metadata"`
	AppMetadata   map[string]any `json:"app_metadata"`
	PasswordHash  string         `json:"passwordHash"`

	refusal string // why the user is not imported, or ""
}

func (u auth0User) loginID() string { return cmp.Or(u.Email, u.Username, u.PhoneNumber) }

// importUsers answers POST /v1/mgmt/user/import. A user who exists already counts as
// imported, so that a call that the SDK repeats goes on where an outage or the end of the
// time has stopped the first one.
func (h *Handler) importUsers(c *call) (any, error) {
	if source := c.in.required("source"); source != "" && !strings.EqualFold(source, "auth0") {
		c.in.addError("source", "invalid", "must be Auth0: for others, make lines for usher.Operator.Import")
	}
	all, dryRun := readAuth0(c.in), c.in.flag("dryrun")
	if len(all) > maxBatch {
		c.in.addError("users", "too_long", "must have at most 500 users: for more, call usher.Operator.Import")
	}
	if err := c.in.err(); err != nil {
		return nil, err
	}
	answer := importAnswer{Users: []userJSON{}, Failures: []importFailure{}}
	var users []auth0User
	var lines bytes.Buffer
	for _, u := range all {
		if u.refusal != "" {
			answer.Failures = append(answer.Failures, importFailure{u.loginID(), u.refusal})
			continue
		}
		users = append(users, u)
		if err := json.NewEncoder(&lines).Encode(u.line()); err != nil {
			return nil, err
		}
	}
	refused := map[int]bool{}
	_, err := c.operator.Import(c.r.Context(), usher.ImportParams{Users: &lines, DryRun: dryRun, OnFailure: func(f usher.ImportFailure) {
		refused[f.Line-1] = true
		answer.Failures = append(answer.Failures, importFailure{f.LoginID, strings.TrimPrefix(f.Field+": "+f.Reason, ": ")})
	}})
	if err != nil {
		return nil, err
	}
	for i, u := range users {
		if dryRun || refused[i] {
			continue
		}
		stored, err := c.operator.UserByLoginID(c.r.Context(), u.loginID())
		if err != nil {
			return nil, err
		}
		j, err := h.managedUser(c, stored)
		if err != nil {
			return nil, err
		}
		answer.Users = append(answer.Users, j)
	}
	return answer, nil
}

// line returns a user as a line of usher.Operator.Import.
func (u auth0User) line() map[string]any {
	line := map[string]any{"loginIds": []string{u.loginID()}, "emailVerified": u.EmailVerified, "disabled": u.Blocked}
	for name, value := range map[string]string{
		"email": u.Email, "name": u.Name, "givenName": u.GivenName, "familyName": u.FamilyName, "phone": u.PhoneNumber, "picture": u.Picture,
	} {
		if value != "" {
			line[name] = value
		}
	}
	if !u.CreatedAt.IsZero() {
		line["createdAt"] = u.CreatedAt
	}
	attributes := map[string]any{}
	for name, value := range map[string]map[string]any{"user_metadata": u.UserMetadata, "app_metadata": u.AppMetadata} {
		if len(value) > 0 {
			attributes[name] = value
		}
	}
	if len(attributes) > 0 {
		line["attributes"] = attributes
	}
	if u.PasswordHash != "" {
		line["hash"] = map[string]any{"bcrypt": map[string]any{"hash": u.PasswordHash}}
	}
	return line
}

// readAuth0 returns the users of both files. A hash belongs to the user with the same
// address, or with the same user name or telephone number if neither has an address; a hash
// without such a user is a user by itself. Users choose these names, so a name that two users
// or two hashes have is refused: a hash must not sign in to the account of another user.
func readAuth0(o object) []auth0User {
	users := auth0File(o, "users")
	index := map[string]int{}
	for i, u := range users {
		index[u.key()] = i
	}
	delete(index, "")
	for _, hash := range auth0File(o, "hashes") {
		i, known := index[hash.key()]
		switch {
		case !known:
			if key := hash.key(); key != "" {
				index[key] = len(users)
			}
			users = append(users, hash)
		case users[i].PasswordHash != "" && users[i].PasswordHash != hash.PasswordHash:
			users[i].refusal = "passwordHash: the files have two hashes for this user, keep one"
		default:
			users[i].PasswordHash = hash.PasswordHash
		}
	}
	first := map[string]int{}
	for i, u := range users {
		name := lowerASCII(u.loginID())
		other, twice := first[name]
		switch {
		case name == "":
		case u.Email == "" && strings.Contains(name, "@"):
			users[i].refusal = "username: must not be an email address, which may be that of another user"
		case twice:
			users[i].refusal = "the files have two users with this address, user name or telephone number"
			users[other].refusal = users[i].refusal
		default:
			first[name] = i
		}
	}
	return users
}

// key returns the name of a user in the files, with its kind, or "" if there is none. The
// letter case of ASCII letters does not count, as in login ids.
func (u auth0User) key() string {
	switch id := lowerASCII(u.loginID()); {
	case id == "":
		return ""
	case u.Email != "":
		return "email " + id
	case u.Username != "":
		return "username " + id
	default:
		return "phone_number " + id
	}
}

// lowerASCII returns a text with ASCII letters in lower case. strings.ToLower would make the
// same text of look-alikes, such as U+212A KELVIN SIGN and k.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// auth0File reads a file of JSON lines, or a JSON array. The SDK for Go sends it in base64,
// and that for Node as text, or as an object with the bytes of a Buffer. It reads at most one
// user more than maxBatch, because two bytes of text can be a user.
func auth0File(o object, name string) (all []auth0User) {
	var text []byte
	if raw := o.get(name); len(raw) > 0 && raw[0] == '{' {
		var buffer struct{ Data []byte }
		o.read(name, &buffer, "must be text")
		if text = buffer.Data; text == nil {
			o.addError(name, "invalid", "must be text")
		}
	} else if text = []byte(o.text(name)); len(text) > 0 {
		if decoded, err := base64.StdEncoding.DecodeString(string(text)); err == nil {
			text = decoded
		}
	}
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))
	values := json.NewDecoder(bytes.NewReader(text))
	values.UseNumber() // in user_metadata and app_metadata
	isArray := bytes.HasPrefix(text, []byte("["))
	if isArray {
		_, _ = values.Token() // it is there
	}
	for len(all) <= maxBatch {
		var u auth0User
		switch err := nextAuth0(values, isArray, &u); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			o.addError(name, "invalid", "must be lines of JSON, or an array of users, as Auth0 exports them")
			return nil
		}
		all = append(all, u)
	}
	return all
}

// nextAuth0 reads the next user. It returns io.EOF after the last one.
func nextAuth0(values *json.Decoder, isArray bool, u *auth0User) error {
	if !isArray || values.More() {
		return values.Decode(u)
	}
	if _, err := values.Token(); err != nil {
		return errors.New("the array does not end")
	}
	if _, err := values.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is text after the array")
	}
	return io.EOF
}
