package usher_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/mail"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store/sqlite"
)

// New makes a Service on an SQLite file and writes emails into a folder, which is all
// that development needs. In production use mail.SMTP.
func ExampleNew() {
	folder, err := os.MkdirTemp("", "usher")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)

	secret, err := usher.SecretFile(filepath.Join(folder, "usher.secret"))
	if err != nil {
		log.Fatal(err)
	}
	store, err := sqlite.Open(context.Background(), filepath.Join(folder, "usher.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	auth, err := usher.New(ctx, store, usher.Config{
		Secret:  secret,
		BaseURL: "https://app.example.com",
		Mailer:  mail.Dir(filepath.Join(folder, "mail")),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer auth.Close(ctx)

	policy := auth.PasswordPolicy()
	fmt.Printf("a password has %d to %d characters\n", policy.MinLength, policy.MaxLength)
	fmt.Println("the secret prints as", secret)
	// Output:
	// a password has 15 to 256 characters
	// the secret prints as [redacted]
}

// openExample returns a Service for the examples below.
func openExample() (*usher.Service, func()) {
	folder := usher.Must(os.MkdirTemp("", "usher"))
	store := usher.Must(sqlite.Open(context.Background(), filepath.Join(folder, "usher.db")))
	auth := usher.Must(usher.New(ctx, store, usher.Config{
		Secret:  usher.Must(usher.SecretFile(filepath.Join(folder, "usher.secret"))),
		BaseURL: "https://app.example.com",
		Mailer:  mail.Dir(filepath.Join(folder, "mail")),
	}))
	return auth, func() {
		auth.Close(ctx)
		store.Close()
		os.RemoveAll(folder)
	}
}

// The first administrator. Call this at every start, in every instance: the first call
// creates the user and sends a link that sets the password.
func ExampleOperator_ImportUser() {
	auth, closeAll := openExample()
	defer closeAll()
	ensureAdministrator := func(loginID string) error {
		_, err := auth.Operator("setup").ImportUser(ctx, usher.ImportUserParams{
			LoginIDs: []string{loginID}, EmailVerified: true, Roles: []string{"admin"},
		})
		switch {
		case err == nil:
			return auth.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: loginID}, usher.Client{})
		case errors.Is(err, usher.ErrLoginIDTaken):
			return nil
		}
		return err
	}
	for range 2 {
		fmt.Println(ensureAdministrator("admin@example.com"))
	}
	page, err := auth.Operator("setup").Users(ctx, usher.UserQuery{Role: "admin"})
	fmt.Println(len(page.Users), err)
	// Output:
	// <nil>
	// <nil>
	// 1 <nil>
}

func ExampleService_SignUp() {
	auth, closeAll := openExample()
	defer closeAll()
	ctx := context.Background()

	_, err := auth.SignUp(ctx, usher.SignUpParams{LoginID: "ann@example.com", Password: "passwordpassword"}, usher.Client{})
	var weak *password.PolicyError
	if errors.As(err, &weak) {
		fmt.Println(weak.Violations[0].Detail)
	}

	result, err := auth.SignUp(ctx, usher.SignUpParams{LoginID: "Ann@example.com", Password: "vast otter sings low"}, usher.Client{})
	if err != nil {
		log.Fatal(err)
	}
	switch result.Next {
	case usher.NextSignedIn:
		user := result.Authentication.User
		fmt.Println(user.LoginID(), "is verified:", user.EmailVerified)
	case usher.NextConfirmEmail: // with Config.ConfirmFirst
		fmt.Println("follow the link in the email")
	}

	_, err = auth.SignUp(ctx, usher.SignUpParams{LoginID: "ann@EXAMPLE.com", Password: "calm heron reads maps"}, usher.Client{})
	fmt.Println(errors.Is(err, usher.ErrLoginIDTaken), err)
	// Output:
	// The password is commonly used or easy to guess for this account.
	// Ann@example.com is verified: false
	// true usher: the login id is taken
}

func ExampleService_SignIn() {
	auth, closeAll := openExample()
	defer closeAll()
	ctx := context.Background()
	ann := usher.SignInParams{LoginID: "ann@example.com", Password: "vast otter sings low"}
	if _, err := auth.SignUp(ctx, usher.SignUpParams{LoginID: ann.LoginID, Password: ann.Password}, usher.Client{}); err != nil {
		log.Fatal(err)
	}

	result, err := auth.SignIn(ctx, ann, usher.Client{})
	if err != nil {
		log.Fatal(err)
	}
	a := result.Authentication
	claims, err := auth.ValidateSession(ctx, a.Tokens.Session)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the session belongs to Ann:", claims.Subject == a.User.ID)

	// After five failures the sixth attempt must wait, whatever its password.
	ann.Password = "calm heron reads maps"
	for range 6 {
		_, err = auth.SignIn(ctx, ann, usher.Client{})
		var limit *usher.LimitError
		if errors.As(err, &limit) {
			fmt.Println("wait:", limit.RetryAfter > 0)
		} else {
			fmt.Println(err)
		}
	}
	// Output:
	// the session belongs to Ann: true
	// usher: invalid credentials
	// usher: invalid credentials
	// usher: invalid credentials
	// usher: invalid credentials
	// usher: invalid credentials
	// wait: true
}
