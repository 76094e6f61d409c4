create table books (title text primary key, year int not null);
