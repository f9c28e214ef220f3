package descope

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/strictjson"
	"github.com/usherkit/usher/password"
)

// batchAnswer is the answer to a batch. Together the lists have as many users as the
// request.
type batchAnswer struct {
	CreatedUsers []userJSON   `json:"createdUsers"`
	FailedUsers  []failedUser `json:"failedUsers"`
}

// failedUser is a user of the request who was not created.
type failedUser struct {
	Failure string   `json:"failure"`
	User    userJSON `json:"user"`
}

// batchReserve is the time that is kept for the answer.
const batchReserve = time.Second

// createUsers answers POST /v1/mgmt/user/create/batch. Each user is created in a transaction
// of its own. An outage, a full hashing queue or the end of the time stops the batch: the
// other users are failures that say so. If nothing has been done by then, the error is that
// of the whole call, and the SDKs repeat it.
func (h *Handler) createUsers(c *call) (any, error) {
	var users bounded[json.RawMessage]
	c.in.read("users", &users, "must be an array of users")
	if len(users) > maxBatch {
		c.in.addError("users", "too_long", "must have at most 500 users")
	}
	var common usher.ImportUserParams
	invitation(c.in, &common)
	if err := c.in.err(); err != nil {
		return nil, err
	}
	answer := batchAnswer{CreatedUsers: []userJSON{}, FailedUsers: []failedUser{}}
	var stopped error
	for _, raw := range users {
		in, err := batchUser(raw, common)
		if err == nil {
			err = stopped
		}
		if err == nil {
			err = timeLeft(c.r.Context())
		}
		var u usher.User
		if err == nil {
			u, err = c.operator.ImportUser(c.r.Context(), in)
		}
		switch {
		case err == nil:
			answer.CreatedUsers = append(answer.CreatedUsers, newUserJSON(u, in.Password != "" || in.Hash != nil))
			continue
		case stopsBatch(c.r.Context(), err):
			if len(answer.CreatedUsers) == 0 {
				return nil, err
			}
			stopped = err
		}
		answer.FailedUsers = append(answer.FailedUsers, failedUser{failure(err, stopped != nil), requestedUser(in)})
	}
	return answer, nil
}

// errNoTime is the error of users whom a batch does not reach in its time.
var errNoTime = fmt.Errorf("descope: the time for one request is over: %w", usher.ErrUnavailable)

func timeLeft(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < batchReserve {
		return errNoTime
	}
	return nil
}

// stopsBatch reports whether an error is not about one user.
func stopsBatch(ctx context.Context, err error) bool {
	return errors.Is(err, usher.ErrUnavailable) || errors.As(err, new(*usher.LimitError)) || ctx.Err() != nil
}

// failure says why a user was not created.
func failure(err error, stopped bool) string {
	var hash *password.ImportError
	switch {
	case stopped:
		return "Not created, because the batch was stopped: send this user again"
	case errors.As(err, &hash):
		return "hashedPassword: " + hash.Field + ": " + hash.Reason
	}
	for _, r := range refusals {
		if r.match(err) {
			if m := message(err); m != "" {
				return m
			}
			return r.description
		}
	}
	return ""
}

// batchUser reads one user of a batch.
func batchUser(raw json.RawMessage, common usher.ImportUserParams) (usher.ImportUserParams, error) {
	members, err := strictjson.Parse(raw)
	o := newObject(members)
	if err != nil {
		o.addError("users", "invalid", "must have objects without duplicate members")
	}
	in := newUser(o)
	in.Invite, in.RedirectURL, in.Parameter, in.Language = common.Invite, common.RedirectURL, common.Parameter, common.Language
	in.Password = o.secret("password")
	if err := o.err(); err != nil {
		return in, err
	}
	if raw := o.get("hashedPassword"); raw != nil {
		in.Hash, err = foreignHash(raw)
	}
	return in, err
}

// foreignHash reads a hash. The members are those of password.Foreign, except for the salt
// of sha, which is in hexadecimal digits.
func foreignHash(raw json.RawMessage) (*password.Foreign, error) {
	var sha struct {
		SHA *struct{ Hash, Type, Salt string }
	}
	members, _ := strictjson.AsObject(raw)
	if json.Unmarshal(raw, &sha) != nil || sha.SHA == nil {
		f := &password.Foreign{}
		return f, json.Unmarshal(raw, f)
	}
	if len(members) != 1 {
		return nil, &password.ImportError{Field: "Foreign", Reason: "must have exactly one format"}
	}
	salt, err := hex.DecodeString(sha.SHA.Salt)
	if err != nil {
		return nil, &password.ImportError{Field: "SHA.Salt", Reason: "must have hexadecimal digits"}
	}
	return &password.Foreign{SHA: &password.SHA{Type: sha.SHA.Type, Hash: sha.SHA.Hash, Salt: salt}}, nil
}

// requestedUser returns a user of the request, for an answer.
func requestedUser(in usher.ImportUserParams) userJSON {
	u := in.Profile.Apply(usher.User{LoginIDs: in.LoginIDs, Email: in.Email})
	return newUserJSON(u, false)
}
