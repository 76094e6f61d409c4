// Package dotenv reads environment files: lines NAME=value, as .env files and
// env_file have them.
//
// A line may begin with "export". '#' begins a comment at the start of a line
// and after a blank. A value in single quotes is taken as it stands; one in
// double quotes may hold \n, \t, \r, \", \\ and \$. Both may run over several
// lines. Nothing is expanded: a password may hold a "$".
package dotenv
