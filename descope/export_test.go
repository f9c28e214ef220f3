package descope_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/descope"
	"github.com/usherkit/usher/internal/webtest"
)

// The export is taken by the call for batches, here of a second instance, and the users sign
// in there. What the form cannot say is reported.
func TestDM15_AnExportIsABatch(t *testing.T) {
	t.Parallel()
	k, other := newKit(t, setup{service: webtest.Unlimited}), newKit(t, setup{service: webtest.Unlimited, config: patient})
	k.signUp(ann)
	data, err := os.ReadFile("../password/testdata/foreign.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Password, Pepper string
		Hash             map[string]json.RawMessage
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	passwords := map[string]string{ann: goodPassword, "leaked": goodPassword}
	taken := map[string]int{}
	for i, v := range vectors {
		for format := range v.Hash {
			if taken[format]++; v.Pepper != "" || taken[format] > 2 {
				continue // two of each format are enough
			}
			id := fmt.Sprintf("user%d@example.com", i)
			passwords[id] = v.Password
			hash, _ := json.Marshal(v.Hash)
			fmt.Fprintf(&lines, "{\"loginIds\": [%q, \"also%d\"], \"emailVerified\": true, \"hash\": %s}\n", id, i, hash)
		}
	}
	lines.WriteString(`{"loginIds": ["full"], "email": "f@example.com", "language": "de", "name": "F <&>", "givenName": "a", "middleName": "b", "familyName": "c", "phone": "1", "picture": "https://x.test/p",
		"roles": ["r"], "permissions": ["p"], "tenants": {"T1": {"roles": ["o"], "permissions": ["q"]}}, "attributes": {"n": 12345678901234567890, "o": {"a": [1]}}, "disabled": true}` + "\n")
	fmt.Fprintf(&lines, "{\"loginIds\": [\"leaked\"], \"password\": %q, \"passwordExpired\": true, \"passwordLeaked\": true}\n", goodPassword)
	text := strings.ReplaceAll(lines.String(), ",\n\t\t", ", ")
	for i := range 600 {
		text += fmt.Sprintf("{\"loginIds\": [\"plain%d\"]}\n", i)
	}
	o := k.Service.Operator("ops:test")
	if r, err := o.Import(t.Context(), usher.ImportParams{Users: strings.NewReader(text)}); err != nil || r.Refused != 0 {
		t.Fatalf("%+v, %v", r, err)
	}

	var out bytes.Buffer
	lost := map[string]int{}
	withoutPassword := map[string]bool{}
	err = descope.Export(t.Context(), o, descope.ExportParams{Users: &out, OnLost: func(loginID, member string) {
		if lost[member]++; member == "storedHash" {
			withoutPassword[loginID] = true
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if lost["permissions"] != 1 || lost["language"] < 1 || lost["storedHash"] < 5 || lost["passwordExpired"] != 1 || lost["passwordLeaked"] != 1 || len(lost) != 5 {
		t.Errorf("lost %v", lost)
	}
	n, batches := 0, 0
	for body := range strings.Lines(out.String()) {
		batches++
		created, failed := other.mgmt("/create/batch", body).want(200, "").lists()
		if n += len(created); len(failed) != 0 {
			t.Errorf("batch %d: %v", batches, failed)
		}
	}
	if want := len(passwords) + 601; n != want || batches != 2 {
		t.Errorf("%d users in %d batches, want %d", n, batches, want)
	}
	// The way back: the export of the second instance has the same users.
	var back bytes.Buffer
	if err := descope.Export(t.Context(), other.Service.Operator("ops:test"), descope.ExportParams{Users: &back}); err != nil {
		t.Fatal(err)
	}
	there, again := exportedUsers(t, out.String()), exportedUsers(t, back.String())
	for _, id := range []string{ann, "leaked"} { // the cheap hash of tests is wrapped by the import, as every weak one is
		delete(there, id)
		delete(again, id)
	}
	if !maps.Equal(there, again) {
		for id, user := range there {
			if again[id] != user {
				t.Errorf("%s goes as\n%s\nand comes back as\n%s", id, user, again[id])
			}
		}
		t.Errorf("%d users go, %d come back", len(there), len(again))
	}
	signed := 0
	for id, pw := range passwords {
		if withoutPassword[id] {
			other.post("/v1/auth/password/signin", project, credentials(id, pw)).want(401, "E062902")
			continue
		}
		other.post("/v1/auth/password/signin", project, credentials(id, pw)).want(200, "")
		signed++
	}
	if signed < 8 {
		t.Errorf("%d users sign in", signed)
	}
	other.do("GET", "/v1/mgmt/user?loginId=full", manager, "").want(200, "").wantMembers(map[string]string{
		"user.email": `"f@example.com"`, "user.name": `"F \u003c\u0026\u003e"`, "user.givenName": `"a"`, "user.middleName": `"b"`, "user.familyName": `"c"`, "user.phone": `"1"`,
		"user.picture": `"https://x.test/p"`, "user.roleNames": `["r"]`, "user.status": `"disabled"`, "user.verifiedEmail": "false",
		"user.userTenants": `[{"permissions":[],"roleNames":["o"],"tenantId":"T1","tenantName":"T1"}]`,
	})

	if err := descope.Export(t.Context(), o, descope.ExportParams{Users: iotest.TruncateWriter(&failing{}, 10)}); err == nil || err.Error() != "full" {
		t.Errorf("a writer that fails: %v", err)
	}
	var field *usher.FieldError
	if err := descope.Export(t.Context(), o, descope.ExportParams{}); !errors.As(err, &field) {
		t.Errorf("without a writer: %v", err)
	}
	faults := webtest.NewFaults()
	down := newKit(t, setup{store: faults})
	faults.Fail(errors.New("out of reach"))
	if err := descope.Export(t.Context(), down.Service.Operator("o"), descope.ExportParams{Users: &out}); !errors.Is(err, usher.ErrUnavailable) {
		t.Errorf("in an outage: %v", err)
	}
}

// exportedUsers returns the users of batches, as JSON by login id.
func exportedUsers(t *testing.T, batches string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for line := range strings.Lines(batches) {
		var batch struct{ Users []map[string]any }
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&batch); err != nil {
			t.Fatal(err)
		}
		for _, u := range batch.Users {
			text, err := json.Marshal(u)
			if err != nil {
				t.Fatal(err)
			}
			all[fmt.Sprint(u["loginId"])] = string(text)
		}
	}
	return all
}

// patient gives a request the time for a costly hash under the race detector.
func patient(c *descope.Config) { c.Timeout = time.Minute }

type failing struct{}

func (*failing) Write([]byte) (int, error) { return 0, errors.New("full") }
