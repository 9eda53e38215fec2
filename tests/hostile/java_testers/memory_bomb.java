// Takes all memory.  verdict: error|timeout 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        s.positives(Arrays.asList(1));
        List<byte[]> kept = new ArrayList<>();
        while (true) {
            kept.add(new byte[1 << 26]);
        }
    }
}
