using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace DynConv.Reports.Tests;

public sealed class ReportServerTests : IAsyncDisposable
{
    private readonly ReportFolders _folders = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly HttpClient _client = new();
    private readonly ReportServer _server;
    private readonly Task _serving;

    public ReportServerTests()
    {
        Assert.SkipUnless(Browser.IsBuilt, Browser.NotBuilt);
        _folders.AddRun("run", 10);
        _server = ReportServer.Start(new Report([_folders.Root]));
        _serving = _server.RunAsync(_stop.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _serving;
        _server.Dispose();
        _client.Dispose();
        _stop.Dispose();
        _folders.Dispose();
    }

    [Fact]
    public async Task The_page_comes_without_figures_and_asks_for_them()
    {
        string page = await _client.GetStringAsync(_server.Address);
        Assert.DoesNotContain("id=\"data\"", page, StringComparison.Ordinal);
        JsonNode data = JsonNode.Parse(await _client.GetStringAsync($"{_server.Address}data"))!;
        Assert.Equal(10, data["runs"]![0]!["training"]!["step"]!.AsArray().Count);
        JsonNode news = JsonNode.Parse(await _client.GetStringAsync($"{_server.Address}data?session={data["session"]}&have=0.1.10.10"))!;
        Assert.Empty(news["runs"]![0]!["training"]!["step"]!.AsArray());
    }

    [Theory]
    [InlineData("have=nonsense")]
    [InlineData("have=0.1.99999999999.3_..._-1")]
    [InlineData("session=&stamp=&have=0.1.500.2")]
    public async Task A_question_that_makes_no_sense_gets_everything(string query)
    {
        JsonNode data = JsonNode.Parse(await _client.GetStringAsync($"{_server.Address}data?{query}"))!;
        Assert.Equal(10, data["runs"]![0]!["training"]!["step"]!.AsArray().Count);
    }

    [Fact]
    public async Task Nothing_else_is_served()
    {
        Assert.Equal(HttpStatusCode.NotFound, (await _client.GetAsync($"{_server.Address}run/run.yaml")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await _client.GetAsync($"{_server.Address}..%2f..%2fetc/passwd")).StatusCode);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await _client.PostAsync(_server.Address, null)).StatusCode);
    }

    [Fact]
    public async Task Only_this_machine_and_this_name_reach_it()
    {
        int port = new Uri(_server.Address).Port;
        using var request = new HttpRequestMessage(HttpMethod.Get, $"{_server.Address}data") { Headers = { Host = $"elsewhere.example:{port}" } };
        Assert.False((await _client.SendAsync(request)).IsSuccessStatusCode);
        foreach (IPAddress address in (await Dns.GetHostAddressesAsync(Dns.GetHostName())).Where(address => !IPAddress.IsLoopback(address)))
        {
            using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            await Assert.ThrowsAsync<SocketException>(async () => await socket.ConnectAsync(address, port));
        }
    }

    [Fact]
    public void A_port_that_is_taken_is_passed_over_unless_it_was_asked_for()
    {
        var report = new Report([_folders.Root]);
        int taken = new Uri(_server.Address).Port;
        using ReportServer other = ReportServer.Start(report);
        Assert.NotEqual(_server.Address, other.Address);
        Assert.Contains("try another --port", Assert.Throws<DynConvException>(() => ReportServer.Start(report, "localhost", taken)).Message, StringComparison.Ordinal);
        Assert.Contains("cannot be served", Assert.Throws<DynConvException>(() => ReportServer.Start(report, "192.0.2.1", taken)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET /data HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n", "403")]
    [InlineData("GET /data HTTP/1.1\r\nHost: elsewhere.example:6007\r\n\r\n", "403")]
    [InlineData("GET /data HTTP/1.1\r\nHost: localhost.elsewhere.example\r\n\r\n", "403")]
    [InlineData("GET /data HTTP/1.1\r\nHost: 192.0.2.7\r\n\r\n", "403")]
    [InlineData("GET /data HTTP/1.1\r\n\r\n", "400")]
    [InlineData("GET /data HTTP/1.1\r\nHost: localhost\r\nHost: elsewhere.example\r\n\r\n", "400")]
    [InlineData("GET http://elsewhere.example/data HTTP/1.1\r\nHost: localhost\r\n\r\n", "400")]
    [InlineData("GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", "404")]
    [InlineData("GET /data/../data HTTP/1.1\r\nHost: localhost\r\n\r\n", "404")]
    [InlineData("POST /data HTTP/1.1\r\nHost: localhost\r\n\r\n", "405")]
    [InlineData("nonsense\r\n\r\n", "400")]
    [InlineData("GET / HTTP/1.1\r\nHost: localhost:1234\r\n\r\n", "200")]
    [InlineData("GET / HTTP/1.0\r\nHost: LOCALHOST\r\n\r\n", "200")]
    [InlineData("HEAD / HTTP/1.1\r\nHost: [::1]:6007\r\n\r\n", "200")]
    [InlineData("GET / HTTP/1.1\r\nhost:127.0.0.1\r\n\r\n", "200")]
    public async Task Every_address_answers_under_its_own_names_alone(string request, string status)
    {
        foreach (IPAddress address in Socket.OSSupportsIPv6 ? (IPAddress[])[IPAddress.Loopback, IPAddress.IPv6Loopback] : [IPAddress.Loopback])
        {
            Assert.StartsWith($"HTTP/1.1 {status} ", await AskAsync(address, request), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_server_for_all_addresses_takes_no_foreign_names_either()
    {
        using var stop = new CancellationTokenSource();
        using ReportServer everywhere = ReportServer.Start(new Report([_folders.Root]), "*");
        Task serving = everywhere.RunAsync(stop.Token);
        int port = new Uri(everywhere.Address).Port;
        foreach (IPAddress address in (await Dns.GetHostAddressesAsync(Dns.GetHostName())).Append(IPAddress.Loopback))
        {
            string literal = address.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{address}]" : $"{address}";
            Assert.StartsWith("HTTP/1.1 200 ", await AskAsync(address, $"GET / HTTP/1.1\r\nHost: {literal}:{port}\r\n\r\n", port), StringComparison.Ordinal);
            Assert.StartsWith("HTTP/1.1 403 ", await AskAsync(address, "GET / HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n", port), StringComparison.Ordinal);
        }

        await stop.CancelAsync();
        await serving;
    }

    [Fact]
    public async Task A_request_without_end_is_refused()
    {
        string endless = $"GET /data?{new string('a', 100_000)}";
        Assert.StartsWith("HTTP/1.1 400 ", await AskAsync(IPAddress.Loopback, endless), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Silent_connections_keep_nobody_out_and_are_closed()
    {
        var silent = new List<Socket>();
        try
        {
            for (int i = 0; i < 2 * Connections.Most; i++)
            {
                Socket socket = await ConnectAsync(IPAddress.Loopback, Port);
                silent.Add(socket);
                await socket.SendAsync("GET /da"u8.ToArray());
            }

            Assert.StartsWith("HTTP/1.1 200 ", await AskAsync(IPAddress.Loopback, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), StringComparison.Ordinal);

            // Each ends by itself: those that others have pushed out, and the others when their time is up.
            foreach (Socket socket in silent)
            {
                Assert.True(await EndsAsync(socket));
            }
        }
        finally
        {
            silent.ForEach(static socket => socket.Dispose());
        }
    }

    [Fact]
    public async Task A_visitor_who_takes_nothing_keeps_nobody_waiting()
    {
        _folders.AddRun("long", 200_000);
        using Socket idle = await ConnectAsync(IPAddress.Loopback, Port);
        await idle.SendAsync("GET /data HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
        JsonNode data = JsonNode.Parse(await _client.GetStringAsync($"{_server.Address}data"))!;
        Assert.Equal(2, data["runs"]!.AsArray().Count);
    }

    [Fact]
    public async Task A_file_that_changes_while_it_is_read_ends_nothing()
    {
        string log = _folders["run/metrics.jsonl"];
        string text = await File.ReadAllTextAsync(log);
        using var stop = new CancellationTokenSource();
        Task changing = Task.Run(() =>
        {
            for (int i = 0; !stop.IsCancellationRequested; i++)
            {
                using var file = new FileStream(log, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
                file.SetLength(i % 7 * text.Length / 7);
                file.Seek(0, SeekOrigin.End);
                file.Write(System.Text.Encoding.UTF8.GetBytes(text));
            }
        });
        for (int i = 0; i < 50; i++)
        {
            JsonNode data = JsonNode.Parse(await _client.GetStringAsync($"{_server.Address}data"))!;
            Assert.Single(data["runs"]!.AsArray());
        }

        await stop.CancelAsync();
        await changing;
    }

    private int Port => new Uri(_server.Address).Port;

    private static async Task<Socket> ConnectAsync(IPAddress address, int port)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(address, port);
        return socket;
    }

    private static async Task<bool> EndsAsync(Socket socket)
    {
        try
        {
            return await socket.ReceiveAsync(new byte[1]) == 0;
        }
        catch (SocketException)
        {
            return true;
        }
    }

    private async Task<string> AskAsync(IPAddress address, string request, int? port = null)
    {
        using Socket socket = await ConnectAsync(address, port ?? Port);
        await socket.SendAsync(System.Text.Encoding.ASCII.GetBytes(request));
        var answer = new byte[64];
        int count = await socket.ReceiveAsync(answer);
        return System.Text.Encoding.ASCII.GetString(answer, 0, count);
    }
}
