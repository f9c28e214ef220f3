package usher

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/internal/strictjson"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/token"
)

// userLine is a user as a line of JSON, for [Operator.Import] and [Operator.Export]. The
// guide docs/users.md describes it.
type userLine struct {
	ID            string                  `json:"id,omitempty"`
	LoginIDs      []string                `json:"loginIds"`
	Email         string                  `json:"email,omitempty"`
	EmailVerified bool                    `json:"emailVerified,omitempty"`
	Language      string                  `json:"language,omitempty"`
	Name          *string                 `json:"name,omitempty"`
	GivenName     *string                 `json:"givenName,omitempty"`
	MiddleName    *string                 `json:"middleName,omitempty"`
	FamilyName    *string                 `json:"familyName,omitempty"`
	Phone         *string                 `json:"phone,omitempty"`
	Picture       *string                 `json:"picture,omitempty"`
	Roles         []string                `json:"roles,omitempty"`
	Permissions   []string                `json:"permissions,omitempty"`
	Tenants       map[string]token.Tenant `json:"tenants,omitempty"`
	Attributes    map[string]any          `json:"attributes,omitempty"`
	Disabled      bool                    `json:"disabled,omitempty"`
	CreatedAt     time.Time               `json:"createdAt,omitzero"`

	Password        string            `json:"password,omitempty"`
	Hash            *password.Foreign `json:"hash,omitempty"`
	StoredHash      string            `json:"storedHash,omitempty"`
	PasswordExpired bool              `json:"passwordExpired,omitempty"`
	PasswordLeaked  bool              `json:"passwordLeaked,omitempty"`
}

// params returns the input of ImportUser.
func (l userLine) params() ImportUserParams {
	in := ImportUserParams{
		ID: l.ID, LoginIDs: l.LoginIDs, Email: l.Email, EmailVerified: l.EmailVerified, Language: l.Language,
		Profile: Profile{Name: l.Name, GivenName: l.GivenName, MiddleName: l.MiddleName, FamilyName: l.FamilyName, Phone: l.Phone, Picture: l.Picture},
		Roles:   l.Roles, Permissions: l.Permissions, Tenants: l.Tenants, Attributes: l.Attributes,
		Disabled: l.Disabled, CreatedAt: l.CreatedAt, Password: Secret(l.Password), Hash: l.Hash,
		PasswordExpired: l.PasswordExpired, PasswordLeaked: l.PasswordLeaked,
	}
	if l.StoredHash != "" {
		if in.Hash == nil {
			in.Hash = &password.Foreign{}
		}
		in.Hash.Stored = l.StoredHash
	}
	return in
}

// ImportParams is the input of [Operator.Import].
type ImportParams struct {
	// Users has one user a line, as a JSON object: what [Operator.Export] writes, and
	// what docs/users.md describes. A byte order mark, CRLF and empty lines are
	// accepted. A line is at most 1 MiB. Required.
	Users io.Reader
	// FromLine is the first line to import, to go on after an outage. Defaults to 1.
	FromLine int
	// DryRun writes nothing, and reports the users that the import would refuse. It keeps
	// the login ids in memory. Defaults to false.
	DryRun bool
	// OnFailure is called for each user who is not imported. Defaults to none: they are
	// only counted.
	OnFailure func(ImportFailure)
}

// ImportFailure is a line whose user was not imported.
type ImportFailure struct {
	// Line is its number, from 1.
	Line int
	// LoginID is the first login id, if the line has one. Like Field it is at most 256 bytes,
	// without control characters, which could control the terminal of the operator.
	LoginID string
	// Field is the member of the line that caused it, such as "hash". It may be empty.
	Field string
	// Reason is a sentence for the operator. It has no password and no hash.
	Reason string
	// Err is an error of [Operator.ImportUser], or another one if the line is not a user
	// in JSON.
	Err error
}

// ImportResult is the result of [Operator.Import].
type ImportResult struct {
	// Imported is the number of users who were created or, with DryRun, would be.
	Imported int
	// Existing is the number of users who exist already with exactly the login ids of their
	// line, as typed, and with its id if it has one. They were not changed. If the same
	// lines are imported again, all users count as existing.
	Existing int
	// Refused is the number of lines that are an [ImportFailure].
	Refused int
	// NextLine is the line to go on from: the one after the last line, or, with an
	// error, the first line that was not imported and not refused.
	NextLine int
}

// Import creates the users of another system, each in a transaction of its own. A line
// that cannot be imported is reported, and the import goes on. After an outage it stops:
// set FromLine to NextLine to go on. It reads line by line, so its memory does not grow
// with the number of users. The users get no email.
//
// Errors: a [*FieldError] without Users; [ErrUnavailable]; a [*LimitError] if the hashing
// queue is full; the error of Users or of ctx. The result is valid even if there is an
// error.
func (o *Operator) Import(ctx context.Context, in ImportParams) (ImportResult, error) {
	if in.Users == nil {
		return ImportResult{}, &FieldError{"users", "required", "must be the lines to import"}
	}
	i := importer{operator: o, in: in, taken: map[string]bool{}}
	lines := bufio.NewReaderSize(in.Users, 64<<10)
	for i.result.NextLine = 1; ; i.result.NextLine++ {
		line, err := readLine(lines)
		if err == io.EOF {
			return i.result, nil
		}
		if err != nil && !errors.Is(err, errLineTooLong) {
			return i.result, err
		}
		if i.result.NextLine == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if line = bytes.TrimSpace(line); i.result.NextLine < in.FromLine || err == nil && len(line) == 0 {
			continue
		}
		if err := ctx.Err(); err != nil {
			return i.result, err
		}
		if err := i.line(ctx, line, err); err != nil {
			return i.result, err
		}
	}
}

// importer imports the lines of one file.
type importer struct {
	operator *Operator
	in       ImportParams
	result   ImportResult
	taken    map[string]bool // the login ids of earlier lines, in a dry run
}

// line imports one line, and counts it. It returns an error that stops the import.
func (i *importer) line(ctx context.Context, line []byte, err error) error {
	var l userLine
	if err == nil {
		l, err = parseUserLine(line)
	}
	var existing bool
	if err == nil {
		existing, err = i.user(ctx, l.params())
	}
	switch {
	case err == nil && existing:
		i.result.Existing++
	case err == nil:
		i.result.Imported++
	case stopsImport(ctx, err):
		return err
	default:
		i.result.Refused++
		if i.in.OnFailure != nil {
			f := ImportFailure{Line: i.result.NextLine, Err: err}
			if len(l.LoginIDs) > 0 {
				f.LoginID = logs.Clean(l.LoginIDs[0], maxFailureText)
			}
			f.Field, f.Reason = describeImportError(err)
			f.Field = logs.Clean(f.Field, maxFailureText)
			i.in.OnFailure(f)
		}
	}
	return nil
}

// user imports one user, and reports whether the user exists already.
func (i *importer) user(ctx context.Context, in ImportUserParams) (existing bool, err error) {
	s := i.operator.s
	u, canonical, err := s.importedUser(in)
	if err != nil {
		return false, err
	}
	if existing, err := i.exists(ctx, in, u, canonical); existing || err != nil {
		return existing, err
	}
	if err := s.checkFreeID(ctx, in.ID); err != nil {
		return false, err
	}
	if i.in.DryRun {
		return false, i.check(ctx, in, u, canonical)
	}
	_, err = i.operator.createImported(ctx, in, u, canonical)
	if errors.Is(err, ErrLoginIDTaken) || errors.Is(err, errIDTaken) {
		// Another import may have created the user of this line meanwhile.
		if existing, _ := i.exists(ctx, in, u, canonical); existing {
			return true, nil
		}
	}
	return false, err
}

// exists reports whether the user of a line exists already. The error is ErrLoginIDTaken
// if another user has the first login id.
func (i *importer) exists(ctx context.Context, in ImportUserParams, u User, canonical []string) (bool, error) {
	account, err := i.operator.s.store.AccountByLoginID(ctx, canonical[0])
	switch {
	case err == nil && slices.Equal(account.User.LoginIDs, u.LoginIDs) && (in.ID == "" || in.ID == account.User.ID):
		return true, nil
	case err == nil:
		return false, ErrLoginIDTaken
	case errors.Is(err, ErrNotFound):
		return false, nil
	}
	return false, i.operator.s.storeError(err)
}

// check does what an import does, except that it stores nothing.
func (i *importer) check(ctx context.Context, in ImportUserParams, u User, canonical []string) error {
	s := i.operator.s
	if _, err := s.importedPassword(ctx, in, u, i.operator.client); err != nil {
		return err
	}
	ids := slices.Concat(canonical, []string{"id " + u.ID}) // no login id has a blank
	for n, id := range ids {
		if i.taken[id] {
			return ErrLoginIDTaken
		}
		if n == 0 || n == len(canonical) {
			continue // user has looked it up
		}
		if _, err := s.store.AccountByLoginID(ctx, id); err == nil {
			return ErrLoginIDTaken
		} else if !errors.Is(err, ErrNotFound) {
			return s.storeError(err)
		}
	}
	for _, id := range ids {
		i.taken[id] = true
	}
	return nil
}

// stopsImport reports whether an error is not caused by the line.
func stopsImport(ctx context.Context, err error) bool {
	var limited *LimitError
	return errors.Is(err, ErrUnavailable) || errors.As(err, &limited) || ctx.Err() != nil
}

const (
	maxLine        = 1 << 20
	maxFailureText = 256
)

var (
	errLineTooLong   = errors.New("usher: the line is longer than 1 MiB")
	errLineNotJSON   = errors.New("usher: the line is not one JSON object in UTF-8")
	errLineTwice     = errors.New("usher: the line has a member twice")
	errLineDeep      = errors.New("usher: the line is nested deeper than 32")
	errLineSurrogate = errors.New("usher: the line has half of a surrogate pair")
)

// readLine returns the next line, without its end. Of a line that is too long it returns
// the error errLineTooLong, and reads to its end.
func readLine(r *bufio.Reader) (line []byte, err error) {
	tooLong := false
	for {
		part, err := r.ReadSlice('\n')
		if tooLong = tooLong || len(line)+len(part) > maxLine; !tooLong {
			line = append(line, part...)
		}
		switch {
		case err == bufio.ErrBufferFull:
		case err == io.EOF && len(line) == 0 && !tooLong:
			return nil, io.EOF
		case err != nil && err != io.EOF:
			return nil, err
		case tooLong:
			return nil, errLineTooLong
		default:
			return line, nil
		}
	}
}

// parseUserLine reads a line. The error is a *FieldError for a member that has the wrong
// type or does not exist.
func parseUserLine(line []byte) (l userLine, err error) {
	if !utf8.Valid(line) {
		return userLine{}, errLineNotJSON
	}
	if json.Valid(line) && strictjson.HasLoneSurrogate(line) {
		return userLine{}, errLineSurrogate // encoding/json would replace it, so different texts would become equal
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	d.UseNumber() // in the attributes
	err = d.Decode(&l)
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return l, &FieldError{wrongType.Field, "invalid", "must not be a JSON " + wrongType.Value}
	case err != nil:
		if name, ok := strings.CutPrefix(err.Error(), `json: unknown field "`); ok {
			return l, &FieldError{strings.TrimSuffix(name, `"`), "not_allowed", "is not a member of a user"}
		}
		var badTime *time.ParseError
		if errors.As(err, &badTime) || strings.HasPrefix(err.Error(), "Time.UnmarshalJSON") {
			return l, &FieldError{"createdAt", "invalid", "must be a time as in RFC 3339"}
		}
		return userLine{}, errLineNotJSON
	}
	if _, err := d.Token(); err != io.EOF || line[0] != '{' {
		return userLine{}, errLineNotJSON
	}
	object, err := strictjson.Parse(line)
	switch {
	case errors.Is(err, strictjson.ErrTwice):
		return l, errLineTwice
	case err != nil: // it is an object in UTF-8
		return l, errLineDeep
	}
	for _, member := range object {
		if !slices.Contains(userMembers, member.Name) {
			// encoding/json ignores the case of letters, and other readers do not.
			return l, &FieldError{member.Name, "not_allowed", "is not a member of a user: the case of letters counts"}
		}
	}
	return l, nil
}

// userMembers are the names of the members of a line.
var userMembers = func() (names []string) {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[userLine]()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}()

// describeImportError returns the member of the line that caused an error, and the reason.
func describeImportError(err error) (field, reason string) {
	var (
		invalid  *FieldError
		hash     *password.ImportError
		policy   *password.PolicyError
		rejected *Rejection
	)
	switch {
	case errors.Is(err, ErrLoginIDTaken):
		return "loginIds", "another user has one of the login ids"
	case errors.As(err, &invalid):
		return invalid.Field, invalid.Detail
	case errors.As(err, &hash):
		if hash.Field == "Stored" {
			return "storedHash", hash.Reason
		}
		return "hash", hash.Field + ": " + hash.Reason
	case errors.As(err, &policy):
		return "password", strings.TrimPrefix(policy.Error(), "password: ")
	case errors.As(err, &rejected):
		return rejected.Field, "the program rejects the user: " + rejected.Code
	}
	return "", strings.TrimPrefix(err.Error(), "usher: ")
}
