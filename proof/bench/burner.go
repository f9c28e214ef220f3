package main

import (
	"context"
	"fmt"
	"time"
)

// burn hashes one password after the other until the standard input ends. The line
// that it prints before is what startServer waits for.
func burn() error {
	fmt.Println("burning")
	one, ended := bareJob(), inputEnds()
	for {
		select {
		case <-ended:
			return nil
		default:
		}
		if err := one.run(1); err != nil {
			return err
		}
	}
}

// besideABurner sends protected requests to a server to which nobody signs in, while
// another process hashes on the same cores. It shows what the kernel alone, which
// divides the cores, lets a request wait.
func besideABurner(db string) (took []time.Duration, err error) {
	srv, _, bearer, err := serverSignedIn(childSettings{DB: db}, stormSize)
	if err != nil {
		return nil, err
	}
	defer srv.stop()
	burner, err := startServer(childSettings{Burn: true})
	if err != nil {
		return nil, err
	}
	defer burner.stop()
	return probes(context.Background(), srv.base, wireRequest(srv.base, "/guarded", "Authorization: Bearer "+bearer), stormTime)
}
