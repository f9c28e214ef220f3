package usher_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/usherkit/usher"
)

func TestAT01_OfTwoWritersOfAttributesOneGetsAnError(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	other := k.secondInstance()
	id := k.signUpVerified(ann).User.ID
	patch := func(k *kit, version string, set map[string]any) (usher.User, error) {
		return k.Operator("ops:alice").PatchAttributes(ctx, id, set, version)
	}
	u := usher.Must(patch(k, "", map[string]any{"plan": "gold", "seats": 3, "old": true}))
	k.wantEvents("user_updated:operator")
	var won, told atomic.Int32
	concurrently(64, func(i int) {
		_, err := patch([]*kit{k, other}[i%2], u.AttributesVersion(), map[string]any{"seats": i + 10, "old": nil})
		switch {
		case err == nil:
			won.Add(1)
		case errors.Is(err, usher.ErrConflict):
			told.Add(1)
		default:
			t.Error(err)
		}
	})
	if won.Load() != 1 || told.Load() != 63 {
		t.Errorf("%d writers succeed, %d are told", won.Load(), told.Load())
	}
	u = usher.Must(k.Operator("test").User(ctx, id))
	if len(u.Attributes) != 2 || u.Attributes["plan"] != "gold" {
		t.Errorf("the attributes are %v", u.Attributes)
	}
	// Any other change of the attributes gives them another version, too.
	replaced := map[string]any{}
	usher.Must(k.Operator("test").UpdateUser(ctx, id, usher.UpdateUserParams{Attributes: &replaced}))
	wantErr(t, errOf(patch(k, u.AttributesVersion(), map[string]any{"plan": "pro"})), usher.ErrConflict)
	wantErr(t, errOf(k.Operator("test").PatchAttributes(ctx, "nobody", nil, "")), usher.ErrNotFound)
}

func TestAT02_APatchOfAttributesIsBounded(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	id := k.signUpVerified(ann).User.ID
	for name, set := range map[string]map[string]any{
		"nested too deep": {"x": nested(31)},
		"no JSON":         {"f": func() {}}, "an empty key": {"": 1}, "a large value": {"x": strings.Repeat("x", 64<<10)},
	} {
		var field *usher.FieldError
		if err := errOf(k.Operator("test").PatchAttributes(ctx, id, set, "")); !errors.As(err, &field) || field.Field != "attributes" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := errOf(k.Operator("test").PatchAttributes(ctx, id, map[string]any{"x": nested(30)}, "")); err != nil {
		t.Errorf("the deepest value: %v", err)
	}
	var err error
	for i := 0; err == nil && i < 100; i++ { // several patches together
		err = errOf(k.Operator("test").PatchAttributes(ctx, id, map[string]any{fmt.Sprint(i): strings.Repeat("x", 1<<10)}, ""))
	}
	var field *usher.FieldError
	if n := len(usher.Must(k.Operator("test").User(ctx, id)).Attributes); !errors.As(err, &field) || field.Code != "too_long" || n < 60 || n > 64 {
		t.Errorf("after %d attributes of 1 KiB: %v", n, err)
	}
}

// nested returns a value of that many arrays within each other.
func nested(levels int) (v any) {
	for range levels {
		v = []any{v}
	}
	return v
}

func TestAT03_AnExportAndAnImportKeepTheDigitsOfNumbers(t *testing.T) {
	t.Parallel()
	const attributes = `"attributes":{"account":9007199254740993,"list":[{"rate":0.12345678901234567891}],"seats":3}`
	k, other := newKit(t), newKit(t)
	lines := `{"loginIds":["bob"],` + attributes + `}`
	for i, k := range []*kit{k, other} {
		if _, refused, err := k.importLines(usher.ImportParams{Users: strings.NewReader(lines)}); err != nil || refused != "" {
			t.Fatalf("import %d: %v %s", i, err, refused)
		}
		var out bytes.Buffer
		if err := k.Operator("ops").Export(ctx, &out); err != nil {
			t.Fatal(err)
		}
		if lines = out.String(); !strings.Contains(lines, attributes) {
			t.Errorf("export %d is %s", i, lines)
		}
	}
	if seats := other.account("bob").User.Attributes["account"]; seats != 9007199254740992.0 {
		t.Errorf("the attribute is %v (%T)", seats, seats)
	}
}

// A database keeps such a number, and then nothing could read the user.
func TestAT03_ANumberBeyondAFloatIsNotStored(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	id, ops := k.signUpVerified(ann).User.ID, k.Operator("ops")
	huge := map[string]any{"x": []any{json.Number("1e400")}}
	for name, err := range map[string]error{
		"a patch":   errOf(ops.PatchAttributes(ctx, id, huge, "")),
		"an update": errOf(ops.UpdateUser(ctx, id, usher.UpdateUserParams{Attributes: &huge})),
		"an import": errOf(ops.ImportUser(ctx, usher.ImportUserParams{LoginIDs: []string{"bob"}, Attributes: huge})),
		"U+0000":    errOf(ops.PatchAttributes(ctx, id, map[string]any{"x": []any{"\x00"}}, "")),
	} {
		var field *usher.FieldError
		if !errors.As(err, &field) || field.Field != "attributes" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ops.PatchAttributes(ctx, id, map[string]any{"x": `\u0000`}, ""); err != nil {
		t.Errorf("a backslash is no U+0000: %v", err)
	}
	if _, refused, _ := k.importLines(usher.ImportParams{Users: strings.NewReader(`{"loginIds":["bob"],"attributes":{"x":1e400}}`)}); !strings.HasPrefix(refused, "1|bob|attributes|") {
		t.Errorf("the line of an import: %q", refused)
	}
}

// UpdateUser changes single attributes in the transaction of everything else.
func TestAT01_UpdateUserPatchesAttributes(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	id, ops := k.signUp(ann).User.ID, k.Operator("ops")
	if _, err := ops.PatchAttributes(ctx, id, map[string]any{"plan": "free", "seats": 1}, ""); err != nil {
		t.Fatal(err)
	}
	name := "Ann"
	u, err := ops.UpdateUser(ctx, id, usher.UpdateUserParams{Profile: usher.Profile{Name: &name}, AttributesPatch: map[string]any{"plan": "pro"}})
	if err != nil || u.Name != "Ann" || u.Attributes["plan"] != "pro" || fmt.Sprint(u.Attributes["seats"]) != "1" {
		t.Errorf("got %+v, %v", u, err)
	}
	other := map[string]any{}
	for field, in := range map[string]usher.UpdateUserParams{
		"email":      {AttributesPatch: map[string]any{"plan": "x"}, Email: &usher.EmailAddress{Address: "no address"}},
		"attributes": {AttributesPatch: map[string]any{"plan": "x"}, Attributes: &other},
	} {
		_, err := ops.UpdateUser(ctx, id, in)
		if bad := (*usher.FieldError)(nil); !errors.As(err, &bad) || bad.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if u, err = ops.User(ctx, id); err != nil || u.Attributes["plan"] != "pro" {
		t.Errorf("a refused change leaves %v, %v", u.Attributes, err)
	}
}
