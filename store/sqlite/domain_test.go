package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/sqlite"
	"github.com/usherkit/usher/store/sqlstore"
)

// overTwoInstances runs a test of two instances on one file, with cookies and without.
func overTwoInstances(t *testing.T, test func(t *testing.T, m webtest.Mode, open func(sqlstore.Hook) store.Store, exec func(string), rows func(string) int)) {
	webtest.BothModes(t, func(t *testing.T, m webtest.Mode) {
		path := filepath.Join(t.TempDir(), "usher.db")
		var db *sqlite.Store
		test(t, m, func(hook sqlstore.Hook) store.Store {
			s, err := sqlite.Open(t.Context(), path, sqlite.Options{Hook: hook})
			must(t, err)
			t.Cleanup(func() { s.Close() })
			db = s
			return s
		}, func(query string) {
			_, err := db.DB().Exec(query)
			must(t, err)
		}, func(query string) (n int) {
			must(t, db.DB().QueryRow(query).Scan(&n))
			return n
		})
	})
}

func TestAC01_ADeletedAccountEndsOnAllInstances(t *testing.T) {
	overTwoInstances(t, webtest.TestAccountDeletion)
}

func TestSF02_TheHookStoresTheFieldsOfASignUp(t *testing.T) {
	overTwoInstances(t, webtest.TestSignUpFields)
}

func TestAT01_OfManyWritersOfAttributesOneSucceeds(t *testing.T) {
	overTwoInstances(t, webtest.TestAttributes)
}

func TestPO10_OfManySignInsWithALeakedPasswordOneNotifies(t *testing.T) {
	overTwoInstances(t, webtest.TestLeakedPasswords)
}

// A number that a float64 cannot hold stays as the program stored it.
func TestAT01_APatchLeavesEveryOtherAttributeAsItIs(t *testing.T) {
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "usher.db"), sqlite.Options{})
	must(t, err)
	t.Cleanup(func() { s.Close() })
	_, err = s.CreateUser(t.Context(), store.UserCreation{User: store.User{ID: "u1", Status: store.StatusEnabled, Attributes: map[string]any{"account": int64(9007199254740993)}}})
	must(t, err)
	_, _, err = s.UpdateUser(t.Context(), store.UserUpdate{UserID: "u1", Patch: &store.AttributesPatch{Set: map[string]any{"plan": "gold"}}})
	must(t, err)
	var stored string
	must(t, s.DB().QueryRow(`SELECT attributes FROM usher_users`).Scan(&stored))
	if want := `{"account":9007199254740993,"plan":"gold"}`; stored != want {
		t.Errorf("the attributes are %s, want %s", stored, want)
	}
}

func TestPO12_SettingsOfOperatorsReachEveryInstance(t *testing.T) {
	overTwoInstances(t, webtest.TestPasswordSettings)
}
