Console.WriteLine("dynconv");
