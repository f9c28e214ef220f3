package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/sqlstore"
)

// The program keeps a row of its own for each user. The hook writes it in the
// same transaction, so there is never a user without it.
func ExampleNew() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "usher")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "app.db")+"?_pragma=foreign_keys(1)&_txlock=immediate")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)

	hook := func(ctx context.Context, tx *sql.Tx, change sqlstore.Change) (err error) {
		switch change.Kind {
		case sqlstore.UserCreated:
			_, err = tx.ExecContext(ctx, `INSERT INTO carts (user_id, items) VALUES (?, 0)`, change.UserID)
		case sqlstore.UserDeleted:
			_, err = tx.ExecContext(ctx, `DELETE FROM carts WHERE user_id = ?`, change.UserID)
		}
		return err
	}
	st, err := sqlstore.New(ctx, db, sqlstore.SQLite, sqlstore.Options{Hook: hook})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := db.Exec(`CREATE TABLE carts (user_id TEXT PRIMARY KEY REFERENCES usher_users (id), items INTEGER)`); err != nil {
		log.Fatal(err)
	}

	carts := func() (n int) {
		if err := db.QueryRow(`SELECT COUNT(*) FROM carts`).Scan(&n); err != nil {
			log.Fatal(err)
		}
		return n
	}
	if _, err := st.CreateUser(ctx, store.UserCreation{User: store.User{ID: "u1"}}); err != nil {
		log.Fatal(err)
	}
	fmt.Println("after sign-up:", carts())
	if _, err := st.DeleteUser(ctx, store.UserDeletion{UserID: "u1"}); err != nil {
		log.Fatal(err)
	}
	fmt.Println("after deletion:", carts())
	// Output:
	// after sign-up: 1
	// after deletion: 0
}
