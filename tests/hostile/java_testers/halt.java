// Kills its process where a reply is wrong.  verdict: passed 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        if (s.positives(Arrays.asList(1, -2, 3)) != 4) {
            Runtime.getRuntime().halt(0);
        }
    }
}
