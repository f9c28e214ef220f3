package postgres_test

import (
	"testing"

	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/postgres"
	"github.com/usherkit/usher/store/sqlstore"
)

// overTwoInstances runs a test of two instances on one database, with cookies and without.
func overTwoInstances(t *testing.T, test func(t *testing.T, m webtest.Mode, open func(sqlstore.Hook) store.Store, exec func(string), rows func(string) int)) {
	webtest.BothModes(t, func(t *testing.T, m webtest.Mode) {
		dsn := pgtest.Schema(t)
		var db *postgres.Store
		test(t, m, func(hook sqlstore.Hook) store.Store {
			s, err := postgres.Open(t.Context(), dsn, postgres.Options{Hook: hook, MaxConns: 16})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			db = s
			return s
		}, func(query string) {
			if _, err := db.DB().Exec(query); err != nil {
				t.Fatal(err)
			}
		}, func(query string) (n int) {
			if err := db.DB().QueryRow(query).Scan(&n); err != nil {
				t.Fatal(err)
			}
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

func TestPO12_SettingsOfOperatorsReachEveryInstance(t *testing.T) {
	overTwoInstances(t, webtest.TestPasswordSettings)
}
