package sqlite_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/usherkit/usher/store/sqlite"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "usher")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	store, err := sqlite.Open(context.Background(), filepath.Join(dir, "usher.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	// Pass store to usher.New.
	fmt.Println(store.Ping(context.Background()))
	// Output: <nil>
}
