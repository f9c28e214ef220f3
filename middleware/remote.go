package middleware

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/usherkit/usher/token"
)

// RemoteConfig configures [OpenRemote].
type RemoteConfig struct {
	// Issuer is the exact value of the claim iss: usher.Config.Issuer of the program that
	// signs users in, which is its BaseURL by default, such as "https://app.example.com".
	// Required.
	Issuer string
	// KeysURL is the URL of the issuer's JWK Set. Set it if Issuer is not the BaseURL.
	// Defaults to Issuer followed by "/auth/keys".
	KeysURL string
	// KeysFile is the path of a file that keeps the issuer's keys over a restart, for at
	// most 24 hours after they were fetched. With a RevocationsURL, the list is kept in a
	// second file beside it, whose name has ".revocations" appended: a session that was
	// revoked after the last fetch is accepted until its token expires, as in a program
	// that has not restarted. See File of [token.RemoteKeysConfig] and
	// [token.RemoteRevocationsConfig]. Defaults to none: a program that starts while the
	// issuer is down answers 503 until the issuer is back.
	KeysFile string
	// Audiences are the accepted values of the claim aud; a token needs one of
	// them. Defaults to Issuer.
	Audiences []string
	// Leeway is how far the clocks may differ. Defaults to 5 seconds.
	Leeway time.Duration
	// InsecureLoopback allows http for a KeysURL and RevocationsURL on a loopback
	// host, for development. Defaults to false.
	InsecureLoopback bool
	// AllowPrivateNetworks allows a KeysURL and RevocationsURL whose host has a
	// private address. Defaults to false.
	AllowPrivateNetworks bool
	// Client makes the requests. Defaults to a client of package token.
	Client *http.Client
	// RevocationsURL is the URL of the issuer's list of sessions that ended early,
	// such as Issuer followed by "/auth/revocations". The list is fetched every
	// second, so that a sign-out takes effect here within two seconds. Sessions
	// cannot be validated before the list is known. Defaults to "": a
	// session token is accepted until it expires (10 minutes by default), even if
	// the user has signed out.
	RevocationsURL string
	// RevocationsBearer is the bearer token for RevocationsURL, if the issuer
	// requires one. Defaults to none.
	RevocationsBearer token.Secret
	// Revocations is a list of ended sessions that the program maintains itself,
	// as an alternative to RevocationsURL. Defaults to none.
	Revocations *token.Revocations
	// Logger reports failed fetches. Defaults to slog.Default().
	Logger *slog.Logger
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Remote validates the sessions of another program with its JWK Set. It is a
// [Validator] and safe for concurrent use.
type Remote struct {
	keys     *token.RemoteKeys
	revoked  *token.RemoteRevocations // nil without a RevocationsURL
	verifier *token.Verifier
}

// OpenRemote fetches the issuer's keys, and its revocations if RevocationsURL is
// set, and updates both until [Remote.Close] is called. ctx limits only the first
// fetches. An unreachable issuer is not an error: without a KeysFile of an earlier start,
// ValidateSession returns token.ErrUnavailable until a fetch succeeds.
func OpenRemote(ctx context.Context, cfg RemoteConfig) (*Remote, error) {
	if cfg.Issuer == "" {
		return nil, errors.New("middleware: RemoteConfig.Issuer is missing: set it to the BaseURL of the program that signs users in, or to its Config.Issuer")
	}
	if cfg.RevocationsURL != "" && cfg.Revocations != nil {
		return nil, errors.New("middleware: RemoteConfig.RevocationsURL and RemoteConfig.Revocations are both set: set one of them")
	}
	if cfg.RevocationsBearer != "" && cfg.RevocationsURL == "" {
		return nil, errors.New("middleware: RemoteConfig.RevocationsBearer requires a RevocationsURL")
	}
	if cfg.KeysURL == "" {
		cfg.KeysURL = strings.TrimSuffix(cfg.Issuer, "/") + "/auth/keys"
	}
	if len(cfg.Audiences) == 0 {
		cfg.Audiences = []string{cfg.Issuer}
	}
	keys, err := token.OpenRemoteKeys(ctx, token.RemoteKeysConfig{
		URL:                  cfg.KeysURL,
		File:                 cfg.KeysFile,
		Client:               cfg.Client,
		InsecureLoopback:     cfg.InsecureLoopback,
		AllowPrivateNetworks: cfg.AllowPrivateNetworks,
		Logger:               cfg.Logger,
		Now:                  cfg.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("middleware: RemoteConfig.KeysURL: %w", err)
	}
	r := &Remote{keys: keys}
	if cfg.RevocationsURL != "" {
		if r.revoked, err = cfg.followRevocations(ctx); err != nil {
			r.Close()
			return nil, fmt.Errorf("middleware: RemoteConfig.RevocationsURL: %w", err)
		}
		cfg.Revocations = r.revoked.List()
	}
	r.verifier, err = token.NewVerifier(token.VerifierConfig{
		Issuers:     []token.Issuer{{URL: cfg.Issuer, Audiences: slices.Clone(cfg.Audiences), Keys: keys}},
		Leeway:      cfg.Leeway,
		Revocations: cfg.Revocations,
		Now:         cfg.Now,
	})
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (cfg RemoteConfig) followRevocations(ctx context.Context) (*token.RemoteRevocations, error) {
	var file string
	if cfg.KeysFile != "" {
		file = cfg.KeysFile + ".revocations"
	}
	return token.OpenRemoteRevocations(ctx, token.RemoteRevocationsConfig{
		URL:                  cfg.RevocationsURL,
		Bearer:               cfg.RevocationsBearer,
		File:                 file,
		Client:               cfg.Client,
		InsecureLoopback:     cfg.InsecureLoopback,
		AllowPrivateNetworks: cfg.AllowPrivateNetworks,
		Logger:               cfg.Logger,
		Now:                  cfg.Now,
	})
}

// ValidateSession implements [Validator]. See [token.Verifier.ValidateSession].
func (r *Remote) ValidateSession(ctx context.Context, raw token.Secret) (*token.Claims, error) {
	if r.revoked != nil {
		if err := r.revoked.Wait(ctx); err != nil {
			return nil, err
		}
	}
	return r.verifier.ValidateSession(ctx, token.Secret(raw))
}

// WatchSession implements [SessionWatcher].
func (r *Remote) WatchSession(claims *token.Claims, ended func()) (stop func()) {
	return r.verifier.WatchSession(claims, ended)
}

// Close stops fetching keys and revocations.
func (r *Remote) Close() {
	if r.revoked != nil {
		r.revoked.Close()
	}
	r.keys.Close()
}
