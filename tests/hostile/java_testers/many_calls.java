// Asks without end.  verdict: error|timeout 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        while (true) {
            s.positives(List.of());
        }
    }
}
