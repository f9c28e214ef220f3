package password_test

import (
	"context"
	"fmt"

	"github.com/usherkit/usher/password"
)

func ExampleHasher() {
	ctx := context.Background()
	hasher, err := password.NewHasher(password.HasherConfig{})
	if err != nil {
		panic(err)
	}
	const pw = "vast otter sings low"
	if err := password.NIST().Check(ctx, pw, "otto@example.com"); err != nil {
		panic(err)
	}
	stored, err := hasher.Hash(ctx, pw)
	if err != nil {
		panic(err)
	}
	ok, rehash, err := hasher.Verify(ctx, stored, pw)
	fmt.Println(stored[:31], ok, rehash, err)
	// Output: $argon2id$v=19$m=65536,t=3,p=1$ true false <nil>
}

func ExamplePolicy_Check() {
	policy := password.Policy{Words: []string{"Usher"}}
	for _, pw := range []string{"otter", "usherusherusher", "vast otter sings low"} {
		fmt.Println(policy.Check(context.Background(), pw, "otto@example.com"))
	}
	// Output:
	// password: policy: The password has fewer than 15 characters.
	// password: policy: The password is commonly used or easy to guess for this account.
	// <nil>
}
