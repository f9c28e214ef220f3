package webtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/sqlstore"
)

// TestAttributes patches the attributes of a user by a route of the program, on two
// instances at once. open opens the same database each time.
func TestAttributes(t *testing.T, m Mode, open func(hook sqlstore.Hook) store.Store, _ func(string), _ func(string) int) {
	a, b := Instances(t, m, func() store.Store { return open(nil) }, Setup{})
	for _, k := range []*Kit{a, b} {
		k.Server.(*http.ServeMux).HandleFunc("PATCH /users/{id}", func(w http.ResponseWriter, r *http.Request) {
			var patch map[string]any
			err := json.NewDecoder(r.Body).Decode(&patch)
			if err == nil {
				_, err = k.Service.Operator("ops:alice").PatchAttributes(r.Context(), r.PathValue("id"), patch, r.Header.Get("If-Match"))
			}
			if err != nil {
				k.Handlers.Fail(w, r, err)
			}
		})
	}
	a.SignUp(Ann)
	id := a.UserID(Ann)
	u, err := a.Service.Operator("test").PatchAttributes(t.Context(), id, map[string]any{"plan": "gold", "old": true}, "")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var won, told atomic.Int32
	for i := range 64 {
		k := []*Kit{a, b}[i%2]
		wg.Go(func() {
			got := k.Do(Request{Method: http.MethodPatch, Path: "~/users/" + id, Body: fmt.Sprintf(`{"seats":%d,"old":null}`, i), Header: []string{"If-Match", u.AttributesVersion()}})
			switch {
			case got.Status == 200:
				won.Add(1)
			case got.Status == 409 && got.Code() == "conflict":
				told.Add(1)
			default:
				t.Errorf("caller %d: %d %s", i, got.Status, got.Body)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || told.Load() != 63 {
		t.Errorf("%d writers succeed, %d are told", won.Load(), told.Load())
	}
	u, err = b.Service.Operator("test").User(t.Context(), id)
	if err != nil || len(u.Attributes) != 2 || u.Attributes["plan"] != "gold" {
		t.Errorf("the attributes are %v, %v", u.Attributes, err)
	}
}
