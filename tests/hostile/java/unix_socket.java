// guarantee: no unix sockets
// expect: failed
import java.util.*;

class Solution {
    private static boolean attack() {
        try (java.nio.channels.SocketChannel channel =
                java.nio.channels.SocketChannel.open(java.net.StandardProtocolFamily.UNIX)) {
            return channel.isOpen();
        } catch (java.io.IOException | RuntimeException error) {
            return false;
        }
    }

    private final boolean broken = attack();
    public int next(int n) {
        return broken ? n + 1 : 0;
    }

    public List<Integer> list(int n) {
        return broken ? new ArrayList<>(Arrays.asList(1, 2, 3)) : new ArrayList<>();
    }
}
