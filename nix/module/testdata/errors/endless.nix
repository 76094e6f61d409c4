let x = { a = x; b = x; }; in
{
  services.redis."a".settings.all = x;
  old = "x";
}
