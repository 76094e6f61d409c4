# Integers do not wrap; floats print with six digits.
{
  sum = 1 + 2;
  mixed = 1 + 0.5;
  precedence = 2 + 3 * 4 - 10 / 3;
  big = 9223372036854775807;
  small = -9223372036854775807 - 1;
  float = 123456789.0;
  text = toString 0.1;
  round = map builtins.floor [ 1.9 (-1.1) 3 ];
}
