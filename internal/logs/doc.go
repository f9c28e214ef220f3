// Package logs is how the other packages write to the program's log: without
// depending on it ([Guard]), and without more of a person than an operator needs
// ([Network], [Hash]).
package logs
