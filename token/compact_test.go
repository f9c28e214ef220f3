package token_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/token"
)

func TestTV12_StrictForm(t *testing.T) {
	w := newWorld(t)
	good := w.craft(t, w.header().json(t), w.payload().json(t))
	p := strings.Split(good, ".")
	w.accepted(t, good)

	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", good[len(good)-1])
	spare := good[:len(good)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last+1])
	for name, raw := range map[string]string{
		"empty": "", "one part": p[0], "two parts": p[0] + "." + p[1], "four parts": good + ".", "five parts": good + ".x.y",
		"no header": "." + p[1] + "." + p[2], "no payload": p[0] + ".." + p[2], "no signature": p[0] + "." + p[1] + ".",
		"dot in the signature": p[0] + "." + p[1] + ".." + p[2],
		"padding":              good + "=", "spare bits": spare,
		"plus": p[0] + "." + p[1] + "." + "+" + p[2][1:], "slash": p[0] + "." + p[1] + "." + "/" + p[2][1:],
		"leading space": " " + good, "trailing space": good + " ", "newline at the end": good + "\n",
		"newline in the signature": p[0] + "." + p[1] + "." + p[2][:8] + "\r\n" + p[2][8:],
		"newline in the header":    p[0][:8] + "\n" + p[0][8:] + "." + p[1] + "." + p[2],
		"JSON serialisation":       `{"payload":"` + p[1] + `","protected":"` + p[0] + `","signature":"` + p[2] + `"}`,
		"Bearer":                   "Bearer " + good,
	} {
		t.Run(name, func(t *testing.T) { w.refused(t, raw, token.ReasonMalformed) })
	}

	head, body := w.header().json(t), w.payload().json(t)
	for name, parts := range map[string][2]string{
		"sub twice":                  {head, strings.TrimSuffix(body, "}") + `,"sub":"a"}`},
		"sub twice, by case":         {head, strings.TrimSuffix(body, "}") + `,"SUB":"a"}`},
		"sub twice, by a long s":     {head, strings.TrimSuffix(body, "}") + `,"ſub":"a"}`},
		"sub twice, by an escape":    {head, strings.TrimSuffix(body, "}") + `,"\u0073ub":"a"}`},
		"twice in depth":             {head, strings.TrimSuffix(body, "}") + `,"x":[{"y":{"z":1,"z":2}}]}`},
		"alg twice":                  {strings.TrimSuffix(head, "}") + `,"alg":"none"}`, body},
		"alg twice, by case":         {strings.TrimSuffix(head, "}") + `,"ALG":"none"}`, body},
		"kid twice, by a Kelvin":     {strings.TrimSuffix(head, "}") + ",\"\u212aid\":\"x\"}", body},
		"header is an array":         {"[" + head + "]", body},
		"payload is an array":        {head, "[" + body + "]"},
		"payload is a string":        {head, `"x"`},
		"payload is null":            {head, "null"},
		"payload is no JSON":         {head, body + "x"},
		"two payloads":               {head, body + body},
		"comma at the end":           {head, strings.TrimSuffix(body, "}") + ",}"},
		"invalid UTF-8":              {head, strings.Replace(body, "u1", "u\xff", 1)},
		"byte order mark":            {head, "\ufeff" + body},
		"payload nested 2,000 times": {head, strings.TrimSuffix(body, "}") + `,"x":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + "}"},
	} {
		t.Run(name, func(t *testing.T) { w.refused(t, w.craft(t, parts[0], parts[1]), token.ReasonMalformed) })
	}
	// Below the top level names are compared exactly: "a" and "A" are two keys of a map.
	w.accepted(t, w.craft(t, head, strings.TrimSuffix(body, "}")+`,"x":{"a":1,"A":2,"b":{"a":1}}}`))
}

func TestTV14_HugeTokensCostNothing(t *testing.T) {
	w := newWorld(t)
	for name, raw := range map[string]string{
		"dots":    strings.Repeat(".", 1<<20),
		"letters": strings.Repeat("A", 1<<20),
		"parts":   strings.Repeat("A", 1<<19) + "." + strings.Repeat("A", 1<<19) + ".A",
	} {
		w.refused(t, raw, token.ReasonMalformed)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		const rounds = 100
		began := time.Now()
		for range rounds {
			_, _ = w.verifier.ValidateSession(context.Background(), token.Secret(raw))
		}
		took := time.Since(began) / rounds
		runtime.ReadMemStats(&after)
		if spent := (after.TotalAlloc - before.TotalAlloc) / rounds; spent > 1<<10 || took > time.Millisecond {
			t.Errorf("%s: %d bytes, %v", name, spent, took)
		}
	}
	// One byte longer than 8 KiB, with a good signature.
	body := w.payload().with("x", strings.Repeat("x", 7000)).json(t)
	raw := w.craft(t, w.header().json(t), body)
	if len(raw) <= token.MaxSize {
		t.Fatal(len(raw))
	}
	w.refused(t, raw, token.ReasonMalformed)
	w.refused(t, strings.Repeat(".", token.MaxSize), token.ReasonMalformed)

	// Exactly 8 KiB. A letter more in the payload is one or two more in the token.
	craft := func(inHeader, inPayload int) string {
		return w.craft(t, w.header().with("x", strings.Repeat("x", inHeader)).json(t), w.payload().with("x", strings.Repeat("x", inPayload)).json(t))
	}
	for inHeader := range 3 {
		for inPayload := 5500 + (token.MaxSize-len(craft(inHeader, 5500)))*3/4 - 2; len(raw) != token.MaxSize; inPayload++ {
			if raw = craft(inHeader, inPayload); len(raw) > token.MaxSize {
				break
			}
		}
	}
	if len(raw) != token.MaxSize {
		t.Fatal(len(raw))
	}
	w.accepted(t, raw)
}
