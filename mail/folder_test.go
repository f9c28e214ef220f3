package mail_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/mail"
)

func TestDir_OneReadableFilePerMessage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "mail")
	c := composer()
	c.TextOnly = true
	folder := &mail.Folder{Path: path, Composer: c}
	m := message(usher.MessageResetPassword)
	// The outbox sends a message again after a crash.
	for range 2 {
		if err := folder.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(path)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v; want one file", entries, err)
	}
	name := entries[0].Name()
	if !strings.HasPrefix(name, "20261123T183501Z-reset_password-") || !strings.HasSuffix(name, ".eml") {
		t.Error(name)
	}
	noCanary(t, name)
	info, err := entries[0].Info()
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: mode %v, %v", info.Mode(), err)
	}
	raw, err := os.ReadFile(filepath.Join(path, name))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "whole.eml", strings.ReplaceAll(string(raw), "\r\n", "\n"))
	if bytes.Count(raw, []byte(linkCanary)) != 1 {
		t.Error("the link cannot be read in the file")
	}
	if bytes.Count(raw, []byte("\n")) != bytes.Count(raw, []byte("\r\n")) {
		t.Error("a line ends without CRLF")
	}
	m.ID = "another"
	if err := folder.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(path); len(entries) != 2 {
		t.Error("another message took the first one's file")
	}
}

func TestDir_BothParts(t *testing.T) {
	c := composer()
	c.Name = "Bücher"
	path := t.TempDir()
	m := message(usher.MessageResetPassword)
	m.To = "ann@bücher.example"
	if err := (&mail.Folder{Path: path, Composer: c}).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(path, "*.eml"))
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if to := parsed.Header.Get("To"); to != "<ann@xn--bcher-kva.example>" {
		t.Errorf("To: %s", to)
	}
	if from, err := parsed.Header.AddressList("From"); err != nil || from[0].Name != "Bücher" {
		t.Errorf("From: %v, %v", from, err)
	}
	_, params, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, html, err := c.Render(m)
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(parsed.Body, params["boundary"])
	for _, want := range []struct{ contentType, body string }{
		{"text/plain; charset=UTF-8", text}, {"text/html; charset=UTF-8", html},
	} {
		part, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		if _, err := body.ReadFrom(part); err != nil {
			t.Fatal(err)
		}
		got := strings.ReplaceAll(body.String(), "\r\n", "\n")
		if part.Header.Get("Content-Type") != want.contentType || strings.TrimSpace(got) != strings.TrimSpace(want.body) {
			t.Errorf("%v:\n%s\nwant:\n%s", part.Header, got, want.body)
		}
	}
}

func TestDir_LongLinesAreEncoded(t *testing.T) {
	path := t.TempDir()
	m := message(usher.MessageResetPassword)
	m.Link = usher.Secret("https://example.com/?token=" + strings.Repeat("x", 1000))
	if err := mail.Dir(path).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(path, "*.eml"))
	raw, _ := os.ReadFile(files[0])
	for line := range bytes.Lines(raw) {
		if len(line) > 1000 {
			t.Errorf("line of %d bytes", len(line))
		}
	}
}

func TestDir_PrintsOnlyWhenAsked(t *testing.T) {
	var out bytes.Buffer
	folder := &mail.Folder{Path: t.TempDir(), InsecurePrintLinks: &out}
	for _, kind := range []usher.MessageKind{usher.MessageResetPassword, usher.MessagePasswordChanged} {
		if err := folder.Send(t.Context(), message(kind)); err != nil {
			t.Fatal(err)
		}
	}
	want := "mail: reset_password to " + addressCanary + ": " + linkCanary + "\n" +
		"mail: password_changed to " + addressCanary + "\n"
	if out.String() != want {
		t.Errorf("printed:\n%s", &out)
	}
}

func TestDir_Concurrent(t *testing.T) {
	path := t.TempDir()
	var out bytes.Buffer
	folder := &mail.Folder{Path: path, InsecurePrintLinks: &out}
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if err := folder.Send(t.Context(), message(usher.MessageResetPassword)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	entries, err := os.ReadDir(path)
	if err != nil || len(entries) != 1 {
		t.Errorf("%d files, %v; want one and nothing left over", len(entries), err)
	}
	if n := strings.Count(out.String(), "\n"); n != 64 {
		t.Errorf("%d lines", n)
	}
}

func TestDir_Errors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := mail.Dir(file).Send(t.Context(), message(usher.MessageResetPassword))
	var pathError *fs.PathError
	if !errors.As(err, &pathError) {
		t.Errorf("a file in the way: %v", err)
	}
	noCanary(t, err.Error())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := filepath.Join(t.TempDir(), "mail")
	if err := mail.Dir(path).Send(ctx, message(usher.MessageResetPassword)); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
	m := message(usher.MessageResetPassword)
	m.Kind = "../../x"
	var e *mail.MessageError
	if err := mail.Dir(path).Send(t.Context(), m); !errors.As(err, &e) || e.Field != "Kind" {
		t.Errorf("unknown kind: %v", err)
	}
	m = message(usher.MessageResetPassword)
	m.ID = ""
	if err := mail.Dir(path).Send(t.Context(), m); !errors.As(err, &e) || e.Field != "ID" {
		t.Errorf("no id: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("something was written")
	}
}
