package descope

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/token"
)

// ExportParams is the input of [Export].
type ExportParams struct {
	// Users gets the users. Each line is the body of a call of POST
	// /v1/mgmt/user/create/batch with at most 500 users. Required.
	Users io.Writer
	// OnLost is called for each value of a user that Descope's form cannot express: the
	// login id, and the member of [usher.Operator.Export], such as "storedHash". Defaults
	// to none.
	OnLost func(loginID, member string)
}

// Export writes all users in the form that Descope imports, with their password hashes. The
// output is as sensitive as that of [usher.Operator.Export], which Export calls, and the
// event is the same. Descope's form has no place for ids, languages, permissions and times
// of creation, nor for the fact that a password has expired or leaked. It has none for a
// hash with a pepper, a wrapped hash, and one of scrypt or Argon2i either: such a user is
// exported without a password.
//
// Errors: those of [usher.Operator.Export].
func Export(ctx context.Context, operator *usher.Operator, in ExportParams) error {
	if in.Users == nil {
		return &usher.FieldError{Field: "users", Code: "required", Detail: "must be where to write the users"}
	}
	lines, w := io.Pipe()
	exported := make(chan error, 1)
	go func() {
		err := operator.Export(ctx, w)
		w.CloseWithError(err) // nil ends the lines
		exported <- err
	}()
	err := writeBatches(lines, in)
	lines.CloseWithError(err) // the export may be writing
	if failed := <-exported; failed != nil && (err == nil || !errors.Is(failed, err)) {
		return failed
	}
	return err
}

// exportedLine has the members of a line of usher.Operator.Export.
type exportedLine struct {
	ID, Email, Language, Name, GivenName, MiddleName, FamilyName, Phone, Picture, StoredHash string
	LoginIDs, Roles, Permissions                                                             []string
	Tenants                                                                                  map[string]token.Tenant
	Attributes                                                                               map[string]json.RawMessage
	EmailVerified, Disabled, PasswordExpired, PasswordLeaked                                 bool
}

// batchUserJSON is a user of a batch.
type batchUserJSON struct {
	LoginID            string                     `json:"loginId"`
	AdditionalLoginIDs []string                   `json:"additionalLoginIds,omitempty"`
	Email              string                     `json:"email,omitempty"`
	VerifiedEmail      bool                       `json:"verifiedEmail"`
	DisplayName        string                     `json:"displayName,omitempty"`
	GivenName          string                     `json:"givenName,omitempty"`
	MiddleName         string                     `json:"middleName,omitempty"`
	FamilyName         string                     `json:"familyName,omitempty"`
	Phone              string                     `json:"phone,omitempty"`
	Picture            string                     `json:"picture,omitempty"`
	RoleNames          []string                   `json:"roleNames,omitempty"`
	UserTenants        []tenantRoles              `json:"userTenants,omitempty"`
	CustomAttributes   map[string]json.RawMessage `json:"customAttributes,omitempty"`
	Status             string                     `json:"status"`
	HashedPassword     map[string]any             `json:"hashedPassword,omitempty"`
}

type tenantRoles struct {
	TenantID  string   `json:"tenantId"`
	RoleNames []string `json:"roleNames"`
}

// writeBatches reads the lines of an export and writes them as batches.
func writeBatches(lines io.Reader, in ExportParams) error {
	read, write := json.NewDecoder(lines), json.NewEncoder(in.Users)
	write.SetEscapeHTML(false)
	var users []batchUserJSON
	flush := func() error {
		if len(users) == 0 {
			return nil
		}
		err := write.Encode(map[string]any{"users": users})
		users = users[:0]
		return err
	}
	for {
		var l exportedLine
		switch err := read.Decode(&l); {
		case errors.Is(err, io.EOF):
			return flush()
		case err != nil:
			return err
		}
		users = append(users, l.batchUser(in.OnLost))
		if len(users) == maxBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}

// batchUser returns the user of a line, and reports what is lost.
func (l exportedLine) batchUser(lost func(loginID, member string)) batchUserJSON {
	u := batchUserJSON{
		LoginID: l.LoginIDs[0], AdditionalLoginIDs: l.LoginIDs[1:], Email: l.Email, VerifiedEmail: l.EmailVerified,
		DisplayName: l.Name, GivenName: l.GivenName, MiddleName: l.MiddleName, FamilyName: l.FamilyName, Phone: l.Phone, Picture: l.Picture,
		RoleNames: l.Roles, CustomAttributes: l.Attributes, Status: string(usher.StatusEnabled),
	}
	if l.Disabled {
		u.Status = string(usher.StatusDisabled)
	}
	permissions := len(l.Permissions)
	for _, id := range sortedKeys(l.Tenants) {
		u.UserTenants = append(u.UserTenants, tenantRoles{id, list(l.Tenants[id].Roles)})
		permissions += len(l.Tenants[id].Permissions)
	}
	if l.StoredHash != "" {
		u.HashedPassword = hashedPassword(l.StoredHash)
	}
	if lost != nil {
		for member, is := range map[string]bool{
			"storedHash": l.StoredHash != "" && u.HashedPassword == nil, "permissions": permissions > 0, "passwordExpired": l.PasswordExpired,
			"passwordLeaked": l.PasswordLeaked, "language": l.Language != "",
		} {
			if is {
				lost(u.LoginID, member)
			}
		}
	}
	return u
}

// hashedPassword returns a stored hash in Descope's form, or nil if that cannot say it.
func hashedPassword(stored string) map[string]any {
	f, err := password.ParseStored(stored)
	switch {
	case err != nil:
		return nil
	case f.Argon2 != nil && f.Argon2.Variant == "argon2id":
		a := f.Argon2
		return map[string]any{"argon2": map[string]any{"hash": a.Hash, "salt": a.Salt, "iterations": a.Iterations, "memory": a.Memory, "threads": a.Threads}}
	case f.PBKDF2 != nil:
		p := f.PBKDF2
		return map[string]any{"pbkdf2": map[string]any{"hash": p.Hash, "salt": p.Salt, "iterations": p.Iterations, "type": p.Type}}
	case f.Firebase != nil:
		b := f.Firebase
		return map[string]any{"firebase": map[string]any{
			"hash": b.Hash, "salt": b.Salt, "saltSeparator": b.SaltSeparator, "signerKey": b.SignerKey, "memory": b.Memory, "rounds": b.Rounds,
		}}
	case f.Bcrypt != nil:
		return map[string]any{"bcrypt": map[string]any{"hash": f.Bcrypt.Hash}}
	case f.Django != nil:
		return map[string]any{"django": map[string]any{"hash": f.Django.Hash}}
	}
	return nil
}
