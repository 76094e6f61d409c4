// Package dotenv reads environment files: lines NAME=value, as .env files and
// env_file have them.
//
// A line may begin with "export". '#' begins a comment at the start of a line and after
// a blank. A value in single quotes is taken as it is; one in double quotes may contain
// \n, \t, \r, \", \\ and \$. Both may go over several lines. Nothing is expanded: a
// password may contain a "$".
package dotenv
