// Package route is the chain that every route runs through: recovery from
// panics, headers, CORS, methods, the check of the origin, and the deadline. It
// limits and reads bodies, and answers errors.
package route
