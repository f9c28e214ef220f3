// Command admin administers the users of a program from the command line:
//
//	admin setup EMAIL          creates the first administrator, who gets a link
//	admin invite EMAIL ROLE    invites a user
//	admin find PREFIX          finds users by login id, address or name
//	admin disable ID           locks a user out
//	admin import FILE          imports users, one JSON object a line
//	admin export               writes all users with their hashes
//	admin audit                writes what happened, newest first
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/mail"
	"github.com/usherkit/usher/store/sqlite"
)

func main() {
	ctx := context.Background()
	service := usher.Must(usher.New(ctx, usher.Must(sqlite.Open(ctx, "usher.db")), usher.Config{
		BaseURL: "http://localhost:8080", Secret: usher.Must(usher.SecretFile("usher.secret")),
		Mailer: mail.Dir("mail"), NoBackground: true, // the running program sends the emails
	}))
	if err := run(ctx, service, os.Getenv("USER"), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "admin:", err)
		os.Exit(1)
	}
}

// run runs one command. who is in the audit table.
func run(ctx context.Context, service *usher.Service, who string, args []string, out io.Writer) error {
	ops, args := service.Operator("cli:"+who), append(args, "", "", "")
	command, arg := args[0], args[1]
	switch command {
	case "setup":
		_, err := ops.ImportUser(ctx, usher.ImportUserParams{LoginIDs: []string{arg}, EmailVerified: true, Roles: []string{"admin"}})
		if err != nil && !errors.Is(err, usher.ErrLoginIDTaken) {
			return err
		}
		return service.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: arg}, usher.Client{})
	case "invite":
		_, err := ops.Invite(ctx, usher.InviteParams{Email: arg, Roles: []string{args[2]}})
		return err
	case "find":
		for q := (usher.UserQuery{Search: arg}); ; {
			page, err := ops.Users(ctx, q)
			for _, u := range page.Users {
				fmt.Fprintln(out, u.ID, u.LoginID(), u.Status, u.Roles)
			}
			if q.Cursor = page.Next; err != nil || q.Cursor == "" {
				return err
			}
		}
	case "disable":
		return ops.Disable(ctx, arg)
	case "import":
		file, err := os.Open(arg)
		if err != nil {
			return err
		}
		defer file.Close()
		refused := func(f usher.ImportFailure) { fmt.Fprintln(out, f.Line, f.LoginID, f.Field, f.Reason) }
		result, err := ops.Import(ctx, usher.ImportParams{Users: file, OnFailure: refused})
		fmt.Fprintln(out, result.Imported, "imported,", result.Existing, "exist,", result.Refused, "refused; next line", result.NextLine)
		return err
	case "export":
		return ops.Export(ctx, out)
	case "audit":
		page, err := ops.Events(ctx, usher.EventQuery{})
		for _, e := range page.Events {
			fmt.Fprintln(out, e.At, e.Name, e.Actor, e.UserID, e.Reason)
		}
		return err
	}
	return fmt.Errorf("there is no command %q", command)
}
