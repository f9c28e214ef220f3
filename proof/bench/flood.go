package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// flood signs many tokens with HMAC, which is fast; the cache does not know how a
// token was signed.
type flood struct {
	claims jwt.MapClaims
}

func newFlood(issuer string) (*flood, error) {
	now := time.Now()
	return &flood{jwt.MapClaims{
		"iss": issuer, "aud": audience, "sub": userID, "drn": "DS", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"auth_time": now.Unix(), "amr": []string{"pwd"}, "roles": []string{"editor"}, "permissions": []string{strings.Repeat("write.", 20)},
	}}, nil
}

func (f *flood) token(n int) string {
	f.claims["sid"], f.claims["jti"] = fmt.Sprint("flood-", n), fmt.Sprint("token-", n)
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, f.claims)
	t.Header["typ"], t.Header["kid"] = "session+jwt", "flood"
	raw, err := t.SignedString([]byte(strings.Repeat("f", 32)))
	if err != nil {
		panic(err) // the claims are ours
	}
	return raw
}
