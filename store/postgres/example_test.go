package postgres_test

import (
	"context"
	"log"
	"os"
	"time"

	"github.com/usherkit/usher/store/postgres"
)

func ExampleOpen() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	store, err := postgres.Open(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	// Pass store to usher.New.
}
