package mail_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/mail"
)

// For development, with defaults.
func ExampleDir() {
	_ = usher.Config{Mailer: mail.Dir("mail")} // and the other settings
}

// For development, with links that are printed too.
func ExampleFolder() {
	path, err := os.MkdirTemp("", "mail")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(path)

	var mailer usher.Mailer = &mail.Folder{Path: path, InsecurePrintLinks: os.Stdout}

	// The Service calls Send.
	at := time.Date(2026, 11, 23, 18, 35, 1, 0, time.UTC)
	err = mailer.Send(context.Background(), usher.Message{
		ID: "1", Kind: usher.MessageResetPassword, To: "ann@example.com",
		Link: "http://127.0.0.1:8080/auth/reset?token=secret", At: at, ExpiresAt: at.Add(10 * time.Minute),
	})
	if err != nil {
		log.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(path, "*.eml"))
	fmt.Println(filepath.Base(files[0]))
	// Output:
	// mail: reset_password to ann@example.com: http://127.0.0.1:8080/auth/reset?token=secret
	// 20261123T183501Z-reset_password-nodle477gt6odhll.eml
}

// For production: emails over TLS with a verified certificate.
func ExampleSMTP() {
	mailer, err := mail.SMTP(mail.SMTPConfig{
		Host:     "smtp.example.com",
		Username: "app",
		Password: usher.Secret(os.Getenv("SMTP_PASSWORD")),
		Composer: mail.Composer{
			From:    "Example <no-reply@example.com>",
			Name:    "Example",
			Support: "help@example.com",
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	_ = usher.Config{Mailer: mailer} // and the other settings
}

// A preview of an email.
func ExampleComposer_Render() {
	c := mail.Composer{From: "no-reply@example.com", Name: "Example", Support: "help@example.com"}
	subject, text, _, err := c.Render(usher.Message{
		ID: "1", Kind: usher.MessagePasswordChanged, To: "ann@example.com",
		At:      time.Date(2026, 11, 23, 18, 35, 1, 0, time.UTC),
		Address: "192.0.2.1", UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
	})
	if err != nil {
		log.Fatal(err)
	}
	text, signature, _ := strings.Cut(text, "-- \n")
	fmt.Printf("%s\n\n%s%s", subject, text, signature)
	// Output:
	// Your Example password was changed
	//
	// The password of your Example account was changed.
	//
	// Time: 23 November 2026, 18:35 UTC
	// IP address: 192.0.2.1
	// Device: Firefox on Linux
	//
	// If it was you, there’s nothing to do.
	//
	// If it wasn’t you, someone else can sign in to your account. Go to
	// Example as usual, request a new password on the sign-in page and choose
	// one that you use nowhere else. This signs out every device. If others
	// may know the password of this mailbox, change it too.
	//
	// Example
	// For help: help@example.com
}
