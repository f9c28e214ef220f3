package route

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/problem"
)

// Fail logs an error and answers with it.
func (c *Chain) Fail(w http.ResponseWriter, r *http.Request, err error) {
	err = c.Visits.ClearEndedSession(w, r, err)
	c.LogError(w, r, err)
	c.answer(w, r, err, false)
}

// Refuse answers a request that the middleware refuses. It logs nothing, because the
// middleware has logged the refusal.
func (c *Chain) Refuse(w http.ResponseWriter, r *http.Request, refusal middleware.Refusal) {
	c.answer(w, r, c.Visits.ClearEndedSession(w, r, newRefusedError(refusal)), false)
}

// RefuseProgram is Refuse for the program's own routes, which do not run through the
// chain. It leaves the cookies as they are: a session of the program may just have been
// replaced in another tab.
func (c *Chain) RefuseProgram(w http.ResponseWriter, r *http.Request, refusal middleware.Refusal) {
	c.setHeaders(w, r)
	c.answer(w, r, newRefusedError(refusal), true)
}

// FailProgram is Fail for the program's own routes, which do not run through the chain.
func (c *Chain) FailProgram(w http.ResponseWriter, r *http.Request, err error) {
	c.setHeaders(w, r)
	err = c.Visits.ClearEndedSession(w, r, err)
	c.LogError(w, r, err)
	c.answer(w, r, err, true)
}

// answer answers with a page if a browser will show the answer, and with a problem
// document otherwise. With OnError it shows no page, but still redirects a
// browser that must sign in. program is true for the program's own routes.
func (c *Chain) answer(w http.ResponseWriter, r *http.Request, err error, program bool) {
	if c.WriteError != nil {
		c.WriteError(w, r, err)
		return
	}
	code := Code(err)
	usePage := c.OnError == nil || code.Status() == http.StatusUnauthorized && code != problem.ImpersonationEnded
	if usePage && c.ErrorPage != nil && c.ErrorPage(w, r, err, program) {
		return
	}
	c.writeProblem(w, r, err)
}

// LogError logs an error. The level depends on the error: Error for 5xx, Info for a
// request of another site, and Debug otherwise, also if the client has gone away.
func (c *Chain) LogError(w http.ResponseWriter, r *http.Request, err error) {
	level := slog.LevelDebug
	switch {
	case errors.Is(r.Context().Err(), context.Canceled):
		// The client has closed the connection. Nothing has failed.
	case Code(err).Status() >= http.StatusInternalServerError:
		level = slog.LevelError
	case errors.Is(err, middleware.ErrCrossOrigin):
		level = slog.LevelInfo
	}
	c.Logger.LogAttrs(r.Context(), level, "handlers: refused",
		slog.Time("at", c.Now().UTC()), slog.String("request_id", problem.RequestID(w, r)),
		slog.String("network", logs.Network(c.Visits.Address(r))), slog.String("method", r.Method),
		slog.String("route", r.Pattern), slog.String("error", fmt.Sprint(err)))
}

// writeProblem answers with a problem document, which says nothing about the
// cause of the error. It is in the language of the reader (RFC 9457 §3.1.3), but
// details for programmers are in English. Content-Language names both (RFC 9110
// §8.5).
func (c *Chain) writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	code := Code(err)
	speaker := c.Catalogue.For(c.Visits.Languages(r)...)
	key := "problem." + string(code)
	p := problem.Problem{
		Type: code.Type(), Title: speaker.Text(key), Status: code.Status(), Code: code, Detail: speaker.Text(key + ".text"),
		RequestID: problem.RequestID(w, r),
	}
	english := false
	if input := AsInputError(err); input != nil {
		for _, f := range input.Fields {
			detail, translated := f.text(speaker)
			english = english || !translated
			p.Fields = append(p.Fields, problem.Field{Field: f.Name, Code: f.Code, Detail: detail})
		}
		if input.Detail != "" {
			p.Detail, english = input.Detail, true
		}
	}
	language := speaker.Lang()
	if english && !strings.HasPrefix(language, "en") {
		language += ", en"
	}
	w.Header().Set("Content-Language", language)
	w.Header().Add("Vary", "Accept-Language")
	SetRetryAfter(w, err)
	challenge := challenges[code]
	var refused *refusedError
	if errors.As(err, &refused) {
		challenge = refused.challenge
	}
	if challenge != "" {
		w.Header().Set("WWW-Authenticate", challenge)
	}
	if c.OnError != nil {
		c.OnError(w, r, p)
		return
	}
	problem.Write(w, r, p)
}

// SetRetryAfter sets the header that says when to try again, if err means that a
// limit is reached or that the program is unavailable. It returns how long a limit lasts.
func SetRetryAfter(w http.ResponseWriter, err error) (wait time.Duration, limited bool) {
	var limit *usher.LimitError
	if !errors.As(err, &limit) {
		if Code(err) == problem.Unavailable {
			w.Header().Set("Retry-After", problem.UnavailableRetryAfter)
		}
		return 0, false
	}
	seconds := max(1, int64((limit.RetryAfter+time.Second-1)/time.Second))
	w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
	return time.Duration(seconds) * time.Second, true
}
