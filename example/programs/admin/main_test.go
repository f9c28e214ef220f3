package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/ushertest"
)

// The first administrator, an invitation, an import of 1,000 users, a user who is found and
// disabled, the export and its import elsewhere, and the audit.
func TestAdministration(t *testing.T) {
	app := ushertest.New(t, ushertest.Config{})
	do := func(service *usher.Service, args ...string) string {
		t.Helper()
		var out bytes.Buffer
		if err := run(t.Context(), service, "alice", args, &out); err != nil {
			t.Fatalf("admin %s: %v\n%s", args, err, &out)
		}
		return out.String()
	}
	for range 2 { // at every start of a program
		do(app.Service, "setup", "admin@example.com")
	}
	app.Mailbox.Next("admin@example.com", usher.MessageResetPassword)
	do(app.Service, "invite", "ann@example.com", "editor")
	app.Mailbox.Next("ann@example.com", usher.MessageInvitation)

	file := filepath.Join(t.TempDir(), "users.jsonl")
	var lines strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&lines, `{"loginIds":["user%03d@example.com"],"emailVerified":true,"hash":{"bcrypt":{"hash":"$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"}}}`+"\n", i)
	}
	if err := os.WriteFile(file, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := do(app.Service, "import", file); got != "1000 imported, 0 exist, 0 refused; next line 1001\n" {
		t.Errorf("the import says %q", got)
	}
	found := do(app.Service, "find", "user007")
	id, _, _ := strings.Cut(found, " ")
	if strings.Count(found, "\n") != 1 {
		t.Fatalf("found %q", found)
	}
	do(app.Service, "disable", id)
	if got := do(app.Service, "find", "user007"); !strings.Contains(got, "disabled") {
		t.Errorf("after disable: %q", got)
	}

	exported := filepath.Join(t.TempDir(), "exported.jsonl")
	if err := os.WriteFile(exported, []byte(do(app.Service, "export")), 0o600); err != nil {
		t.Fatal(err)
	}
	other := ushertest.New(t, ushertest.Config{})
	if got := do(other.Service, "import", exported); !strings.HasPrefix(got, "1001 imported, 0 exist, 0 refused") {
		t.Errorf("the import of the export says %q", got)
	}
	audit := do(app.Service, "audit")
	for _, want := range []string{"users_exported cli:alice", "user_disabled cli:alice " + id} {
		if !strings.Contains(audit, want) {
			t.Errorf("the audit lacks %q:\n%.2000s", want, audit)
		}
	}
	if err := run(t.Context(), app.Service, "alice", []string{"frob"}, &bytes.Buffer{}); err == nil {
		t.Error("an unknown command succeeds")
	}
}
