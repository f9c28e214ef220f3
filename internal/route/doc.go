// Package route has what every route needs. A chain of middleware recovers from
// panics, sets headers, handles CORS, checks the method and the origin, and limits the
// time. Other functions read bodies of limited size and answer errors.
package route
