package signing_test

import (
	"fmt"
	"log"
	"time"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/token"
)

// The first key signs at once; its successor is published a day before it does.
func ExampleRotation_Plan() {
	rotation := signing.Rotation{Every: 90 * 24 * time.Hour}
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	keys, changed, err := rotation.Plan(now, nil, token.ES256)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(keys), changed)

	now = now.Add(89 * 24 * time.Hour)
	keys, changed, err = rotation.Plan(now, keys, token.ES256)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(keys), changed, signing.KeyAt(now, keys) == keys[0], keys[1].ActiveAt.Format(time.DateOnly))
	// Output:
	// 1 true
	// 2 true true 2030-04-01
}
